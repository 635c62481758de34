"""Input validation: what is converted and what is refused, the same for every layer."""

import re
import warnings

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minnet
from minnet import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    LayerNorm,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from minnet.validation import (
    as_float_dtype,
    as_rows,
    count,
    fraction,
    in_range,
    non_negative,
    positive,
)

LAYERS = {
    "Dense": lambda: Dense(3, 3),
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "ReLU": ReLU,
    "PReLU": PReLU,
    "Softmax": Softmax,
    "BatchNorm": lambda: BatchNorm(3),
    "LayerNorm": lambda: LayerNorm(3),
    "GroupNorm": lambda: GroupNorm(1, 3),
    "Dropout": Dropout,
    "Residual": lambda: Residual(Dense(3, 3), Tanh()),
    "Sequential": lambda: Sequential([Dense(3, 4), BatchNorm(4), ReLU(), Dense(4, 3)], rng=0),
}
ALL = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
X = np.array([[1, 0, 3], [2, 5, 0], [0, 1, 1], [4, 2, 7]])


def build(make, dtype=np.float32):
    layer = make()
    return layer if isinstance(layer, Sequential) else layer.build(rng=0, dtype=dtype)


# Refused input.

NOT_NUMBERS = {
    "None": None,
    "strings": [["a", "b", "c"]],
    "objects": np.array([[1, None, 2]]),
    "ragged": [[1.0, 2.0, 3.0], [1.0]],
    "complex": np.ones((4, 3), complex),
    "dates": np.zeros((4, 3), "M8[s]"),
    "durations": np.zeros((4, 3), "m8[s]"),
    "records": np.zeros((4, 3), [("a", "f4")]),
    "a dict": {"x": 1},
    "huge integers": [[10**400, 1, 2]],
}
WRONG_SHAPES = {
    "a number": (2.0, "a single number is not a batch"),
    "1-D": (np.ones(3), "x[None, :] makes one row of it"),
    "3-D": (np.ones((4, 3, 1)), "use x.reshape(len(x), -1)"),
    "5-D": (np.ones((1, 1, 1, 1, 3)), "use x.reshape(len(x), -1)"),
}


@ALL
@pytest.mark.parametrize("x", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_an_array_without_real_numbers_is_a_type_error(make, x):
    layer = build(make)
    for training in (True, False):
        with pytest.raises(TypeError, match=r": expected x as (an array|real numbers).*, got "):
            layer.forward(x, training=training)
    layer.forward(X, training=True)
    with pytest.raises(TypeError, match=r": expected dy as (an array|real numbers).*, got "):
        layer.backward(x)


@pytest.mark.parametrize("name", ["strings", "objects", "complex", "dates"])
def test_the_type_error_names_layer_and_dtype(name):
    x = NOT_NUMBERS[name]
    dtype = re.escape(str(np.asarray(x).dtype))
    message = rf"Dense\(3->2\): expected x as real numbers, got dtype {dtype}; convert with"
    with pytest.raises(TypeError, match=message):
        Dense(3, 2).forward(x, training=True)


@ALL
@pytest.mark.parametrize(("x", "repair"), WRONG_SHAPES.values(), ids=WRONG_SHAPES)
def test_an_array_that_is_not_rows_is_a_value_error_with_the_repair(make, x, repair):
    message = rf"expected x as rows \(n, features\), got shape {re.escape(str(np.shape(x)))}; "
    for training in (True, False):
        with pytest.raises(ValueError, match=message + re.escape(repair)):
            build(make).forward(x, training=training)


@pytest.mark.parametrize("make", [LAYERS[name] for name in ("Dense", "BatchNorm", "Sequential")])
def test_a_wrong_width_names_layer_and_both_widths(make):
    for shape in ((4, 2), (4, 4), (3, 0)):
        message = rf"3.*: expected x of shape \(n, 3\), got {re.escape(str(shape))}"
        for training in (True, False):
            with pytest.raises(ValueError, match=message):
                build(make).forward(np.ones(shape), training=training)


def test_in_a_network_the_message_names_place_name_and_kind():
    net = Sequential([("entry", Dense(784, 10)), Softmax()], rng=0)
    message = (
        r"layer 1 'entry' Dense\(784->10\): expected x as rows .*got shape \(32, 28, 28\); use"
    )
    with pytest.raises(ValueError, match=message):
        net.predict(np.zeros((32, 28, 28)))


@ALL
def test_refused_input_changes_nothing(make):
    layer = build(make)
    layer.forward(X, training=True)
    before = {key: value for key, value in vars(layer).items() if isinstance(value, np.ndarray)}
    kept = {key: value.copy() for key, value in before.items()}
    for x in (None, np.ones(3), np.ones((2, 3), complex), np.ones((0, 3))):
        with pytest.raises((TypeError, ValueError)):
            layer.forward(x, training=True)
    for key, value in kept.items():
        assert vars(layer)[key] is before[key]
        np.testing.assert_array_equal(before[key], value)


@ALL
def test_zero_rows_are_refused_in_training_and_give_zero_rows_in_prediction(make):
    layer = build(make)
    with pytest.raises(
        ValueError, match=r"expected a training batch of at least [12] rows?, got 0"
    ):
        layer.forward(np.ones((0, 3)), training=True)
    y = layer.forward(np.ones((0, 3)), training=False)
    assert y.shape == (0, 3)
    assert y.dtype == np.float32


def test_a_network_predicts_zero_rows_from_zero_rows():
    net = Sequential([Dense(3, 4), BatchNorm(4), Softmax()], rng=0)
    assert net.predict(np.ones((0, 3))).shape == (0, 4)


# Converted input.


@ALL
@pytest.mark.parametrize("dtype", ["i1", "i2", "i8", "u2", "u8", "?", "f2", "f8", ">f4", "g"])
def test_other_real_numbers_are_converted(make, dtype):
    x = X.astype(dtype)
    expected = build(make).forward(x.astype(np.float32), training=True)
    y = build(make).forward(x, training=True)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(build(make).forward(x.tolist(), training=True), expected)


@ALL
def test_bytes_are_converted_with_one_warning(make):
    expected = build(make).forward(X.astype(np.float32), training=True)
    for training in (True, False):
        layer = build(make)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            y = layer.forward(X.astype(np.uint8), training=training)
        assert [warning.category for warning in caught] == [UserWarning]
        assert re.search(
            r"x holds bytes \(uint8\).*scaled to 0\.\.1: use x / 255", str(caught[0].message)
        )
        if training:
            np.testing.assert_array_equal(y, expected)


def layouts(x, folder):
    wide = np.zeros((2 * len(x), 2 * x.shape[1]), x.dtype)
    wide[::2, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    packed = np.zeros(len(x), [("pad", "u1"), ("row", x.dtype, x.shape[1])])
    packed["row"] = x
    unaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, x)
    yield "Fortran order", np.asfortranarray(x)
    yield "strided", wide[::2, ::2]
    yield "reversed", x[::-1, ::-1].copy()[::-1, ::-1]
    yield "read-only", read_only
    yield "memory-mapped", np.load(path, mmap_mode="r")
    yield "memory-mapped and writable", np.load(path, mmap_mode="r+")
    yield "rows of records", packed["row"]
    yield "unaligned", unaligned
    yield "broadcast", np.broadcast_to(x, (1, *x.shape))[0]
    yield "matrix-like", memoryview(x)


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_memory_layout_gives_what_the_contiguous_copy_gives(make, dtype, tmp_path):
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=(2, 6, 3)).astype(dtype)
    layer = build(make)
    expected = layer.forward(x, training=True).copy(), layer.backward(dy).copy()
    predicted = layer.forward(x, training=False)
    for (name, odd_x), (_, odd_dy) in zip(layouts(x, tmp_path), layouts(dy, tmp_path), strict=True):
        layer = build(make)
        np.testing.assert_array_equal(layer.forward(odd_x, training=True), expected[0], name)
        np.testing.assert_array_equal(layer.backward(odd_dy), expected[1], name)
        layer = build(make)
        layer.forward(x, training=True)
        np.testing.assert_array_equal(layer.forward(odd_x, training=False), predicted, name)
        np.testing.assert_array_equal(odd_x, x, name)
        np.testing.assert_array_equal(odd_dy, dy, name)


def test_rows_of_the_right_dtype_and_layout_are_not_copied():
    x = X.astype(np.float32)
    relu = ReLU()
    relu.forward(x, training=True)
    assert relu.x is x


def test_an_array_of_another_library_is_converted_by_its_array_method():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return X.astype(np.float32)

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call detach() first")

    np.testing.assert_array_equal(ReLU().forward(Tensor(), training=True), X)
    with pytest.raises(TypeError, match=r"got Broken that NumPy cannot convert \(call detach"):
        ReLU().forward(Broken(), training=True)


# Non-finite input.


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_refuses_nan_and_infinity_with_row_and_column(bad, training):
    net = Sequential([BatchNorm(3), Dense(3, 2)], rng=0)
    net.forward(X, training=True)
    state = {name: array.copy() for name, array in net.state.items()}
    x = X.astype(np.float32)
    x[2, 1] = x[3, 0] = bad
    with pytest.raises(
        FloatingPointError,
        match=f"the input x: expected finite values, got {bad} at row 2, column 1; remove",
    ):
        net.forward(x, training=training)
    for name, array in net.state.items():
        np.testing.assert_array_equal(array, state[name])


def test_a_number_that_overflows_to_infinity_in_float32_is_refused():
    net = Sequential([Dense(3, 2)], rng=0)
    x = X.astype(np.float64)
    x[1, 2] = -1e300
    with pytest.raises(
        FloatingPointError,
        match=r"got -1e\+300, too large for float32, at row 1, column 2; scale .*, or use dtype=",
    ):
        net.predict(x)
    assert np.isfinite(Sequential([ReLU()], dtype=np.float64).predict(x)).all()


# Arbitrary arrays.

ANY_DTYPE = st.one_of(
    hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.scalar_dtypes()
)
ANY_SHAPE = st.one_of(
    st.tuples(st.integers(0, 6), st.just(3)),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def odd_layouts(x):
    """Return a strategy: x, or the same values in another memory layout."""
    read_only = x.copy()
    read_only.flags.writeable = False
    return st.sampled_from([x, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2], read_only])


def expected_of(x, training):
    """Return the error that x must raise, or None."""
    if x.dtype.kind not in "fiub":
        return TypeError
    if x.ndim != 2 or x.shape[1] != 3:
        return ValueError
    with np.errstate(all="ignore"):
        if not np.isfinite(x.astype(np.float32)).all():
            return FloatingPointError
    return ValueError if training and len(x) < 2 else None


@settings(deadline=None, max_examples=300, derandomize=True, database=None)
@given(st.data(), st.booleans())
def test_any_array_gives_the_result_of_numpy_or_an_error_with_an_explanation(data, training):
    x = data.draw(hnp.arrays(ANY_DTYPE, ANY_SHAPE))
    x = data.draw(odd_layouts(x)) if x.ndim else x
    before = x.tobytes()
    net = Sequential([Dense(3, 4), BatchNorm(4), Tanh(), Dense(4, 2)], rng=0)
    error = expected_of(x, training)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*uint8", UserWarning)
        if error is not None:
            with pytest.raises((error, FloatingPointError), match=r"expected|input x|rows"):
                net.forward(x, training=training)
        else:
            try:
                y = net.forward(x, training=training)
            except FloatingPointError as overflow:
                assert np.abs(x.astype(float)).max() > 1e15, overflow  # noqa: PT017
            else:
                assert y.shape == (len(x), 2)
                assert np.isfinite(y).all()
                if not training and np.abs(x.astype(float)).max(initial=0) < 1e3:
                    np.testing.assert_allclose(y, twin_of(net, x), atol=1e-3)
    assert x.tobytes() == before


def twin_of(net, x):
    w, v = net["dense1"].weight.value.astype(float), net["dense2"].weight.value.astype(float)
    return np.tanh(x.astype(float) @ w / np.sqrt(1 + 1e-5)) @ v


# Targets.


def test_labels_of_any_integer_type_and_layout_are_accepted():
    z = np.random.default_rng(2).normal(size=(4, 3))
    labels = np.array([2, 0, 1, 2])
    expected = SoftmaxCrossEntropy().forward(z, labels)
    for dtype in ("i1", "u1", "i4", "u8", ">i2"):
        assert SoftmaxCrossEntropy().forward(z, labels.astype(dtype)) == expected
    read_only = labels.copy()
    read_only.flags.writeable = False
    strided = np.repeat(labels, 3)[::3]
    for odd in (labels.tolist(), read_only, strided, labels[::-1].copy()[::-1]):
        assert SoftmaxCrossEntropy().forward(z, odd) == expected
    assert read_only.tolist() == [2, 0, 1, 2]


def test_one_hot_rows_of_bytes_bools_and_integers_are_accepted_without_a_warning():
    z = np.random.default_rng(3).normal(size=(4, 3))
    labels = np.array([2, 0, 1, 2])
    expected = SoftmaxCrossEntropy().forward(z, labels)
    for dtype in (bool, np.int64, np.uint8):
        assert SoftmaxCrossEntropy().forward(z, np.eye(3, dtype=dtype)[labels]) == expected


# Numbers as arguments of constructors.


def test_numbers_in_range_are_returned_and_others_are_refused_by_name():
    assert positive(np.float32(0.5), "A", "b") == 0.5
    assert non_negative(0, "A", "b") == 0.0
    assert fraction(np.int64(0), "A", "b") == 0.0
    assert count(np.int8(3), "A", "b") == 3
    for test, value, message in (
        (positive, 0, "A: expected b to be positive and finite, got 0"),
        (positive, float("inf"), "A: expected b to be positive and finite, got inf"),
        (non_negative, -1e-9, "A: expected b to be non-negative and finite, got -1e-09"),
        (fraction, 1.0, "A: expected b to be in [0, 1), got 1.0"),
        (count, 0, "A: expected b to be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            test(value, "A", "b")
    for value in ("1", None, True, [1.0], 1j):
        with pytest.raises(TypeError, match="A: expected b to be a number, odd, got"):
            in_range(value, "A", "b", bool, "odd")
        with pytest.raises(TypeError, match="A: expected b to be a whole number, got"):
            count(value, "A", "b")


def test_only_float32_and_float64_are_float_dtypes():
    assert as_float_dtype("float32") == np.float32
    assert as_float_dtype(float) == np.float64
    with pytest.raises(ValueError, match="dtype: expected float32 or float64, got int64"):
        as_float_dtype(int)


class Unfriendly:
    """An object whose methods raise."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __iter__(self):
        raise RuntimeError("no iter")


@pytest.mark.parametrize(
    "call",
    [
        minnet.SGD,
        lambda x: minnet.Dense(3, 2, bias=x),
        lambda x: minnet.Sequential([minnet.Dense(3, 2)], rng=x),
        lambda x: minnet.Sequential([x]),
        minnet.HistogramProbe,
        lambda x: minnet.check_layer(x, (2, 3)),
        lambda x: minnet.save(minnet.Sequential([minnet.Dense(3, 2)]), x),
    ],
)
def test_an_object_whose_methods_raise_is_a_type_error(call):
    with pytest.raises(TypeError, match="expected"):
        call(Unfriendly())


def test_masked_arrays_in_a_list_are_refused():
    rows = [np.ma.masked_array([1.0, 2.0], [True, False])] * 2
    with pytest.raises(TypeError, match="masked array"):
        minnet.Sequential([minnet.Dense(2, 1)]).predict(rows)


def test_a_sparse_target_is_refused_with_the_repair():
    with pytest.raises(TypeError, match=r"csr_array.*target\.toarray\(\)"):
        minnet.SoftmaxCrossEntropy().forward(np.eye(3), scipy.sparse.csr_array(np.eye(3)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, np.nan, 1.0], "no label in row 1; remove the rows without a label"),
        (np.array([0, None, 1]), "no label in row 1; remove the rows without a label"),
        ([0.5, 1.0, 2.0], r"0.5 in row 0; use a loss for numbers, such as MeanSquaredError"),
        ([0.0, 1.0, 2.0], "got dtype float64; use labels.astype\\(int\\)"),
    ],
)
def test_labels_that_are_not_integers_get_advice_that_fits_them(labels, message):
    with pytest.raises(TypeError, match=message):
        minnet.SoftmaxCrossEntropy().forward(np.zeros((3, 3)), labels)


def test_an_error_in_a_method_of_a_users_layer_names_the_layer():
    class Double(minnet.Layer):
        def compute(self, x, y, training):
            x *= 2
            y[...] = x

        def differentiate(self, dy, dx):
            dx[...] = 2 * dy

    net = minnet.Sequential([minnet.Dense(2, 3), Double()])
    with pytest.raises(ValueError, match="read-only") as raised:
        net.forward(np.ones((4, 2)), training=True)
    (note,) = raised.value.__notes__
    assert note.startswith("in compute of layer 2 'double1' Double(): it fills y in place")


def test_rows_at_an_unaligned_address_are_copied_to_an_aligned_one():
    memory = np.zeros(4 * 6 + 1, np.uint8)
    unaligned = memory[1:].view(np.float32).reshape(2, 3)
    unaligned[...] = np.arange(6).reshape(2, 3)
    rows = as_rows(unaligned, np.dtype(np.float32), "test")
    assert rows.flags.aligned
    np.testing.assert_array_equal(rows, unaligned)


def test_a_positive_number_that_rounds_to_a_subnormal_one_is_refused():
    net = Sequential([Dense(2, 2)], rng=0)
    with pytest.raises(ValueError, match=r"eps = 1e-40, as float32, to be positive"):
        minnet.Adam(net, eps=1e-40)
    minnet.Adam(Sequential([Dense(2, 2)], rng=0, dtype=np.float64), eps=1e-40)


def test_a_name_of_a_dtype_that_numpy_deprecates_is_refused_without_a_warning():
    with pytest.raises(ValueError, match="expected float32 or float64, got"):
        as_float_dtype("b, a")
