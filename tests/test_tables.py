"""Tables in CSV files: exact features, splits without leaks, and errors that state the repair."""

import gzip
import pickle
import sys

import numpy as np
import pytest

from minnet import datasets
from minnet.datasets import from_csv, read_csv

pandas = pytest.importorskip("pandas")


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def table(n=40, separator=",", header=True, number=str):
    """Return a table of numbers, numbers with gaps, texts with gaps, a constant and a class."""
    rows = [
        [
            number(i / 4), "" if i % 5 == 0 else str(i), ("red", '"dark, green"', "")[i % 3], "7",
            "yes" if i % 2 else "no",
        ]
        for i in range(n)
    ]  # fmt: skip
    rows = [["size", "gaps", "colour", "same", "kind"], *rows] if header else rows
    return "\n".join(separator.join(row) for row in rows) + "\n"


def row_of(i, train):
    """Return the features of row i of the table, computed from the training rows."""
    gaps = [j for j in train if j % 5]
    filled = np.array([j if j % 5 else np.mean(gaps) for j in train])
    gap = i if i % 5 else np.mean(gaps)
    return [
        (i / 4 - np.mean(train) / 4) / (np.std(train) / 4),
        (gap - filled.mean()) / filled.std(),
        0,
        i % 3 == 1,
        i % 3 == 0,
        i % 3 == 2,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_are_computed_from_the_training_rows(write, dtype):
    (x, y), (x_test, y_test), transformer, classes = from_csv(write(table()), "kind", dtype=dtype)
    names = ["size", "gaps", "same", "colour_dark, green", "colour_red", "colour_nan"]
    assert transformer.get_feature_names_out().tolist() == names
    assert classes.tolist() == ["no", "yes"]
    frame = pandas.read_csv(write(table()))
    scaler = transformer.named_transformers_["numbers"]["standardscaler"]
    positions = np.rint(4 * (x[:, 0] * scaler.scale_[0] + scaler.mean_[0])).astype(int)
    others = sorted(set(range(40)) - set(positions.tolist()))
    expected = [row_of(i, positions) for i in positions]
    np.testing.assert_allclose(x, np.array(expected, float), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y, positions % 2)
    expected = [row_of(i, positions) for i in others]
    order = np.argsort(x_test[:, 0])
    np.testing.assert_allclose(x_test[order], np.array(expected, float), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(y_test[order], np.array(others) % 2)
    assert x.dtype == x_test.dtype == dtype
    assert y.dtype == np.int64
    assert x.flags.c_contiguous
    again = transformer.transform(frame.iloc[positions, ::-1])  # columns are found by name
    np.testing.assert_allclose(again, x, rtol=1e-5, atol=1e-6)


VARIANTS = {
    "BOM": (table(), {}, "utf-8-sig"),
    "semicolons": (table(separator=";"), {}, "utf-8"),
    "tabs": (table(separator="\t"), {}, "utf-8"),
    "space after the comma": (table(separator=", "), {}, "utf-8"),
    "decimal comma": (
        table(separator=";", number=lambda v: str(v).replace(".", ",")), {"decimal": ","}, "utf-8",
    ),
    "Windows line ends": (table().replace("\n", "\r\n"), {}, "utf-8"),
    "UTF-16": (table(), {"encoding": "utf-16"}, "utf-16"),
    "question marks": (table().replace(",,", ",?,"), {}, "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "options", "encoding"), VARIANTS.values(), ids=VARIANTS)
def test_variants_of_the_file_give_the_same_arrays(write, text, options, encoding):
    expected = from_csv(write(table()), "kind")
    got = from_csv(write(text, encoding), "kind", **options)
    for part, other in zip((*got.train, *got.test), (*expected.train, *expected.test), strict=True):
        np.testing.assert_array_equal(part, other)
    assert got.classes.tolist() == ["no", "yes"]


@pytest.mark.parametrize("target", [4, 2, 0])
def test_a_file_without_header_has_numbered_columns(write, target):
    names = ["size", "gaps", "colour", "same", "kind"]
    task = "regression" if target == 0 else "classification"
    text = table().replace(",,7", ",blue,7")
    options = {"task": task, "drop": "same"}
    expected = from_csv(write(text), names[target], **options)
    path = write(text.split("\n", 1)[1])
    got = from_csv(path, target, header=None, **options | {"drop": 3})
    for part, other in ((got.train, expected.train), (got.test, expected.test)):
        np.testing.assert_array_equal(part[0], other[0])
        np.testing.assert_array_equal(part[1], other[1])
    features = [
        name.replace(old, str(names.index(old)))
        for name in expected.transformer.get_feature_names_out()
        for old in names
        if name.startswith(old)
    ]
    assert got.transformer.get_feature_names_out().tolist() == features
    frame = read_csv(path, header=None)
    x = got.transformer.transform(frame)
    np.testing.assert_array_equal(got.transformer.transform(frame[["4", "2", "1", "0"]]), x)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1, 2\n2,2\n", ["1", "2"]),  # a column of digits, and a space
        ("1,2\n,2\n", ["1", "nan"]),  # read as 1.0 and NaN
        (",2\n,2\n", ["nan", "nan"]),
        (" E,2\n1,?\n", ["E", "1"]),
        ("3,2\nF,2\n", [None, None]),
    ],
)
def test_texts_of_new_rows_are_found_whatever_dtype_they_are_read_as(write, rows, expected):
    table = from_csv(write("g, n, y\n" + "1, 1,c\n2, 2,d\nE, 3,c\n, ?,d\n" * 5), "y")
    names = ["n", "g_1", "g_2", "g_E", "g_nan"]
    assert table.transformer.get_feature_names_out().tolist() == names
    x = table.transformer.transform(read_csv(write("g,n\n" + rows)))
    np.testing.assert_allclose(x[:, 0], 0, atol=1e-12)  # the mean is 2
    assert x[:, 1:].tolist() == [[name == f"g_{text}" for name in names[1:]] for text in expected]


@pytest.mark.parametrize("text", ["007", "7.0", "-7.50", "true", "FALSE", "10", "0"])
def test_a_text_is_found_if_pandas_reads_it_as_a_number_or_boolean(write, text):
    table = from_csv(write("g,y\n" + f"{text},c\nother,d\n" * 5), "y")
    assert table.transformer.transform(read_csv(write(f"g\n{text}\n"))).tolist() == [[1, 0]]


def test_missing_texts_of_any_kind_are_the_same_category(write):
    table = from_csv(write("g,y\n" + "a,c\n,d\n" * 5), "y")
    frame = pandas.DataFrame({"g": ["a", None, np.nan, pandas.NA]}, dtype=object)
    assert table.transformer.transform(frame).tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]


def test_numbers_treated_as_categories_are_found_beside_missing_ones(write):
    table = from_csv(write("g,y\n" + "7,c\n8,d\n" * 5), "y", categorical="g")
    x = table.transformer.transform(read_csv(write('g\n8\n""\n7\n')))
    assert x.tolist() == [[0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    "texts",
    [
        ["01.01.2020", "02.01.2020"], ["10.0.0.1", "10.0.0.2"], ["1.0.0", "1.0.1"],
        [str(10**25), str(10**25 + 1)],
    ],
)  # fmt: skip
def test_texts_of_digits_are_texts(write, texts):
    path = write("a,y\n" + "".join(f"{i},{texts[i % 2]}\n" for i in range(20)))
    assert [*map(str, from_csv(path, "y").classes)] == texts
    names = from_csv(path, "a").transformer.get_feature_names_out()
    assert names.tolist() == [f"y_{text}" for text in texts]


def test_the_separator_is_that_of_the_first_line_outside_of_quotes(write, tmp_path):
    text = table().replace("size", '"size;1"')
    expected = from_csv(write(text), "kind")
    assert expected.transformer.get_feature_names_out()[0] == "size;1"
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(table(separator=";").encode()))
    np.testing.assert_array_equal(from_csv(path, "kind").train[0], expected.train[0])
    path = write(table(separator="|"))
    np.testing.assert_array_equal(from_csv(path, "kind", delimiter="|").train[0], expected.train[0])


def test_features_with_the_same_name_are_kept(write):
    transformer = from_csv(write("a_b,a,y\n" + "1,b,c\n2,d,d\n" * 5), "y").transformer
    assert transformer.get_feature_names_out().tolist() == ["a_b", "a_b", "a_d"]


@pytest.mark.parametrize("rng", [-1, "seed"])
def test_an_invalid_seed_is_an_error(write, rng):
    with pytest.raises((ValueError, TypeError), match=r"rng|seed"):
        from_csv(write(table()), "kind", rng=rng)


def test_a_target_of_numbers_is_a_regression_and_on_request_a_classification(write):
    path = write(table())
    (x, y), (x_test, y_test), _, classes = from_csv(path, "size")
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((32, 7), (32, 1), (8, 7), (8, 1))
    assert y.dtype == np.float32
    assert classes is None
    both = np.concatenate([y, y_test])
    np.testing.assert_array_equal(np.sort(both[:, 0]), np.arange(40, dtype=np.float32) / 4)
    text = "size,grade\n" + "\n".join(f"{i},{(i % 3) * 5 - 5}" for i in range(30))
    (_, y), _, _, classes = from_csv(write(text), "grade", task="classification")
    assert classes.tolist() == [-5, 0, 5]
    assert set(y.tolist()) == {0, 1, 2}


def test_columns_are_dropped_or_treated_as_categories(write):
    path = write(table())
    names = from_csv(path, "kind", drop=["gaps", "size"], categorical=["same"])[2]
    expected = ["colour_dark, green", "colour_red", "colour_nan", "same_7"]
    assert names.get_feature_names_out().tolist() == expected


def test_a_category_of_the_test_rows_only_gives_zeros(write):
    lines = [f"{i},c{i},{'ab'[i % 2]}" for i in range(20)]
    table = from_csv(write("n,c,y\n" + "\n".join(lines)), "y")
    assert table.train[0].shape == (16, 17)
    np.testing.assert_array_equal(table.test[0][:, 1:], 0)
    np.testing.assert_array_equal(table.train[0][:, 1:].sum(axis=1), 1)


def test_the_split_depends_on_rng_and_keeps_the_shares_of_the_classes(write):
    path = write("x,y\n" + "\n".join(f"{i},{'a' if i % 4 else 'b'}" for i in range(160)))
    first, again, other = (from_csv(path, "y", test_size=0.25, rng=rng) for rng in (1, 1, 2))
    np.testing.assert_array_equal(first.train[0], again.train[0])
    assert not np.array_equal(first.train[0], other.train[0])
    assert np.bincount(first.train[1]).tolist() == [90, 30]
    assert np.bincount(first.test[1]).tolist() == [30, 10]


def test_the_transformer_can_be_pickled(write):
    table_ = from_csv(write(table()), "kind")
    frame = pandas.read_csv(write(table()))
    copy = pickle.loads(pickle.dumps(table_.transformer))
    np.testing.assert_array_equal(copy.transform(frame), table_.transformer.transform(frame))


def test_iris_from_a_file_is_iris_standardized(write):
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    rows = [f"{','.join(map(str, row))},class {label}" for row, label in zip(x, y, strict=True)]
    got = from_csv(write("\n".join(rows)), 4, header=None)
    (x, labels), (x_test, labels_test) = datasets.iris(dtype=np.float64)
    x, x_test = datasets.standardize(x, x_test)
    for part, expected in ((got.train, (x, labels)), (got.test, (x_test, labels_test))):
        np.testing.assert_allclose(part[0], expected[0], rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(part[1], expected[1])
    assert got.classes.tolist() == ["class 0", "class 1", "class 2"]


def numbers(column):
    return "a,b,y\n" + "\n".join(f"{i},{column(i)},{'uv'[i % 2]}" for i in range(40))


FAULTS = {
    "unknown target": (table(), "z", {}, r"\['size', .*unknown names \['z'\]; .*header=None"),
    "unknown drop": (table(), "kind", {"drop": ["id"]}, r"unknown names \['id'\]"),
    "no header": (table(header=False), "kind", {}, r"unknown names \['kind'\]; .*header=None"),
    "missing target": (table(), "gaps", {}, "got none in 8 rows, first in row 0 of the data"),
    "decimal comma": (
        table(separator=";", number=lambda v: str(v).replace(".", ",")), "kind", {},
        r"column 'size': .*got '0,0' among numbers; .*decimal=','",
    ),
    "thousands": (numbers(lambda i: f'"{i},000"'), "y", {}, "column 'b': .*thousands=','"),
    "text among numbers": (
        numbers(lambda i: "unknown" if i == 7 else i), "y", {},
        r"column 'b': .*got 'unknown' among numbers; .*na_values=\['unknown'\]",
    ),
    "text among targets": (
        "x,y\n" + "\n".join(f"{i},{i if i != 7 else 'many'}" for i in range(40)), "y", {},
        "column 'y': .*got 'many' among numbers",
    ),
    "identifiers": (
        numbers(lambda i: f"n{i}"), "y", {},
        r"column 'b': expected categories, got 40 different texts in 40 rows; .*drop=\['b'\]",
    ),
    "rare class": (
        "x,y\n" + "\n".join(f"{i},{'c' if i == 3 else 'ab'[i % 2]}" for i in range(40)), "y", {},
        r"at least 2 rows of each class, got one of \['c'\]",
    ),
    "task": (table(), "kind", {"task": "regression"}, "target of numbers with task='regression'"),
    "task name": (table(), "kind", {"task": "classify"}, "got 'classify'; did you mean"),
    "cp1252": ("größe,y\n1,a\n2,b\n", "y", {}, "cannot read .*table.csv: .*encoding='cp1252'"),
    "long row": ("x,y\n1,a\n1,a,b\n", "y", {}, "cannot read .*Expected 2 fields in line 3, saw 3"),
    "long first row": ("x,y\n1,a,b\n1,a,b\n", "y", {}, "cannot read .*[Ll]ength of header"),
    "open quote": ('x,y\n1,"a\n1,b\n', "y", {}, "cannot read .*EOF inside string"),
    "repeated name": (
        "a,y,y\n1,2,c\n2,3,d\n", "y", {}, "unique names of columns, got {'y'}",
    ),
    "infinity": (
        numbers(lambda i: "-inf" if i == 7 else i), "y", {},
        r"column 'b': expected finite numbers .*, got -inf; .*na_values=\['-inf'\]",
    ),
    "overflow": (numbers(lambda i: f"{i}e300"), "y", {}, "column 'b': expected finite numbers"),
    "infinite target": ("x,y\n" + "1,2\n2,inf\n" * 4, "y", {}, "column 'y': expected finite"),
    "few rows": ("x,y\n" + "1,a\n2,b\n" * 2, "y", {}, "expected .* test_size=0.2 for 4 rows"),
    "class NA": ("x,y\n" + "1,NA\n2,b\n" * 2, "y", {}, "keep_default_na=False"),
    "option": (table(), "kind", {"seperator": ";"}, "cannot read .*unexpected .*'seperator'"),
    "drop": (table(), "kind", {"drop": "id"}, r"unknown names \['id'\]"),
    "empty": ("", "y", {}, "cannot read .*No columns"),
    "only a header": ("x,y\n", "y", {}, "at least 2 rows.*got 0 rows"),
    "only a target": ("y\na\nb\n", "y", {}, "a column besides the target"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "target", "options", "message"), FAULTS.values(), ids=FAULTS)
def test_a_table_that_cannot_be_used_is_an_error(write, text, target, options, message):
    path = write(text, "cp1252" if "ö" in text else "utf-8")
    with pytest.raises(ValueError, match=f"^((from|read)_csv: .*)?{message}"):
        from_csv(path, target, **options)


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_the_advice_for_a_file_of_another_encoding_works(write, encoding):
    path = write(table().replace("kind", "größe"), encoding)
    with pytest.raises(ValueError, match=f"cannot read .*encoding='{encoding}'"):
        from_csv(path, "größe")
    assert from_csv(path, "größe", encoding=encoding).classes is not None


def test_a_missing_file_and_a_missing_package_are_errors(write, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        from_csv(tmp_path / "none.csv", "kind")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="`pip install pandas`"):
        from_csv(write(table()), "kind")


@pytest.mark.parametrize("options", [{"chunksize": 5}, {"iterator": True}])
def test_options_that_give_no_table_raise(write, options):
    with pytest.raises(ValueError, match=r"expected options that give one table, got .*; omit"):
        read_csv(write("a,b\n1,2\n"), **options)


def test_rows_that_pandas_reads_without_a_header_are_transformed_by_position(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{i % 7}, {'uv'[i % 2]},{'xy'[i % 2]}\n" for i in range(40)))
    transformer = from_csv(path, 2, header=None).transformer
    expected = transformer.transform(read_csv(path, header=None))
    assert expected[:, 1:].sum(axis=1).tolist() == [1.0] * 40
    plain = pandas.read_csv(path, header=None)  # keeps the space in " u"
    assert plain.columns.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(transformer.transform(plain), expected)
    np.testing.assert_array_equal(transformer.transform(plain[[1, 0]]), expected)
    assert plain.columns.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, r"expected a DataFrame .* names \['size', 'colour'\]"),
        (pandas.DataFrame({"size": [1.0]}), ValueError, "columns are missing: {'colour'}"),
        (
            pandas.DataFrame({"size": ["large"], "colour": ["red"]}),
            ValueError,
            "(?s)numbers where it has numbers, got other ones: .*'large'",
        ),
    ],
)
def test_rows_of_another_table_raise(write, rows, error, message):
    text = "size,colour,kind\n" + "1,red,a\n3,blue,b\n" * 5
    transformer = from_csv(write(text), "kind").transformer
    with pytest.raises(error, match=message):
        transformer.transform(rows)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": None}, TypeError, "expected target as the name of a column, got None"),
        ({"target": ["kind"]}, TypeError, "expected target as the name of a column"),
        ({"drop": None}, TypeError, "expected drop as names of columns, got None"),
        ({"categorical": 0.5}, TypeError, "expected categorical as names of columns"),
        ({"test_size": None}, ValueError, "test_size as a share .* got .*test_size=None"),
        ({"test_size": 5}, ValueError, "test_size as a share .* got .*test_size=5"),
        ({"rng": "seed"}, ValueError, "expected a seed rng >= 0"),
    ],
)
def test_arguments_of_a_wrong_kind_raise(write, arguments, error, message):
    text = "size,kind\n" + "1,a\n3,b\n" * 5
    with pytest.raises(error, match=message):
        from_csv(write(text), **({"target": "kind"} | arguments))
