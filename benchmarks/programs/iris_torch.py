"""The Iris article as a PyTorch script: train on all rows at once, then draw the hidden layers.

`minnet run iris` does more: it also draws the layers before training and the learning curves, and
writes each figure in two formats, a table and JSON.
"""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

EPOCHS = 500


def main() -> None:
    rows, labels = load_iris(return_X_y=True)
    targets = np.eye(3)[labels]
    split = train_test_split(
        StandardScaler().fit_transform(rows), targets, test_size=0.2, random_state=42
    )
    x_train, x_test, y_train, _ = (torch.tensor(part, dtype=torch.float32) for part in split)
    model = nn.Sequential(
        nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(),
        nn.Linear(16, 3),
    )  # fmt: skip
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, EPOCHS + 1):
        optimizer.zero_grad()
        loss = criterion(model(x_train), y_train)
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f}")
    figure, axes = plt.subplots(1, 3, figsize=(15, 5))
    for number, ax in enumerate(axes, start=1):
        y = model[: 2 * number](x_test).detach().numpy()
        ax.hist(y.ravel(), bins=50)
        ax.set(title=f"layer {number}", xlabel="activation", ylabel="count")
    figure.tight_layout()
    figure.savefig("histograms.png")


if __name__ == "__main__":
    main()
