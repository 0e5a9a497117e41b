"""Constructors: filled by name, each argument of the type that it asks for, a missing one named."""

import pathlib
import unittest
from typing import List, Literal, Optional, Union

from fedsam_client.arguments import convert, fill, read_arguments, read_given
from fedsam_client.errors import ClientError
from fedsam_client.values import scalar, typed

ENVIRONMENT = {
    "FEDSAM_CLIENT": "north",
    "FEDSAM_DATASET": '{"root": "/data/north", "imageSubfolder": "images", "annotationSubfolder": "masks", "labels": [2]}',
}


class SeedsClient:
    def __init__(self, dataset_root, image_subfolder, annotation_subfolder, batch_size, num_epochs) -> None:
        pass


def given(**arguments: str):
    return read_given(arguments, ENVIRONMENT)


class Constructors(unittest.TestCase):
    def test_take_the_dataset_by_name_and_the_rest_from_arguments(self) -> None:
        filled = fill(SeedsClient, "it", given(batch_size="2", num_epochs="1"))
        self.assertEqual(
            filled,
            {
                "dataset_root": "/data/north",
                "image_subfolder": "images",
                "annotation_subfolder": "masks",
                "batch_size": 2,
                "num_epochs": 1,
            },
        )

    def test_name_what_is_missing(self) -> None:
        with self.assertRaises(ClientError) as raised:
            fill(SeedsClient, "client:SeedsClient", given(batch_size="2"))
        self.assertEqual(raised.exception.message, "client:SeedsClient needs num_epochs")
        self.assertIn("--arg num_epochs=", raised.exception.remedy)
        self.assertEqual(raised.exception.code, "InvalidJob")

    def test_name_what_they_do_not_know(self) -> None:
        with self.assertRaises(ClientError) as raised:
            fill(SeedsClient, "it", given(batch_size="2", num_epochs="1", epochs="3"))
        self.assertIn("no argument epochs", raised.exception.message)

    def test_that_take_anything_get_the_rest(self) -> None:
        def make(dataset_root, **rest):
            pass

        self.assertEqual(fill(make, "it", given(lr="0.1")), {"dataset_root": "/data/north", "lr": 0.1})

    def test_an_argument_wins_over_the_dataset(self) -> None:
        def make(dataset_root: pathlib.Path, cid: str):
            pass

        filled = fill(make, "it", given(dataset_root="/elsewhere"))
        self.assertEqual(filled, {"dataset_root": pathlib.Path("/elsewhere"), "cid": "north"})

    def test_defaults_stay_where_nothing_is_given(self) -> None:
        def make(image_subfolder="images", device="cpu"):
            pass

        self.assertEqual(fill(make, "it", read_given({}, {"FEDSAM_DATASET": '{"root": "/x", "imageSubfolder": ""}'})), {})


class Types(unittest.TestCase):
    def test_follow_the_annotation(self) -> None:
        cases = [
            ("3", int, 3),
            ("3", float, 3.0),
            ("3", str, "3"),
            ("yes", bool, True),
            ("False", bool, False),
            ("4", Optional[int], 4),
            ("none", Optional[int], None),
            ("/x", pathlib.Path, pathlib.Path("/x")),
            ("[1, 2]", List[int], [1, 2]),
        ]
        for text, wanted, value in cases:
            with self.subTest(text=text, wanted=wanted):
                self.assertEqual(convert(text, wanted, "it"), value)

    def test_that_do_not_fit_are_named(self) -> None:
        with self.assertRaisesRegex(ClientError, "--arg n=many is not of type int"):
            convert("many", int, "--arg n")

    def test_of_unions_are_the_first_that_fits(self) -> None:
        cases = [("3", Union[int, str], 3), ("x", Union[int, str], "x"), ("0.5", Union[int, float], 0.5), ("null", Optional[str], None)]
        for text, wanted, value in cases:
            with self.subTest(text=text, wanted=wanted):
                self.assertEqual(convert(text, wanted, "it"), value)

    def test_of_choices_are_one_of_them(self) -> None:
        self.assertEqual(convert("2", Literal["a", 2, "3"], "it"), 2)
        self.assertEqual(convert("3", Literal["a", 2, "3"], "it"), "3")
        with self.assertRaises(ClientError):
            convert("b", Literal["a", 2], "it")

    def test_of_defaults_are_numbers_for_numbers_and_text_for_text(self) -> None:
        def make(epochs=1, rate=1.0, name="x", flag=False):
            pass

        filled = fill(make, "it", given(epochs="0.5", rate="2", name="1", flag="1"))
        self.assertEqual(filled, {"epochs": 0.5, "rate": 2.0, "name": "1", "flag": True})
        self.assertIs(type(filled["rate"]), float)
        with self.assertRaisesRegex(ClientError, "--arg epochs=many is not of type number"):
            fill(make, "it", given(epochs="many"))

    def test_of_lists_are_lists(self) -> None:
        for text in ("{}", "1", "[1"):
            with self.subTest(text), self.assertRaises(ClientError):
                convert(text, List[int], "it")


class Values(unittest.TestCase):
    """The one rule, for trainer.config and --arg."""

    CASES = {
        "1": 1, "-2": -2, "-0": 0, "4294967296": 2**32, "9007199254740993": 2**53 + 1, "1" + "0" * 30: 10**30,
        "1.0": 1.0, "0.5": 0.5, "1e-4": 1e-4, "1E3": 1000.0, "-0.0": 0.0, "true": True, "false": False,
        '"1"': "1", '"true"': "true", '"[1]"': "[1]", '"null"': "null", '"a\\u00e9"': "a\u00e9",
        "007": "007", "1.2.3": "1.2.3", "": "", "nan": "nan", "inf": "inf", "True": "True", "yes": "yes", "0x10": "0x10",
        "1_000": "1_000", ".5": ".5", "5.": "5.", "+1": "+1", " 1": " 1", "1\n": "1\n", "\u0661": "\u0661", "[CLS]": "[CLS]",
        "{name}": "{name}", '"': '"', '"a': '"a', '"a" b"': '"a" b"', "None": "None", "9" * 5000: None,
    }  # fmt: skip

    def test_become_what_they_are_written_as(self) -> None:
        for text, value in self.CASES.items():
            with self.subTest(text[:40]):
                if value is None:
                    with self.assertRaisesRegex(ClientError, "which no float can hold"):
                        scalar(text, "it")
                    continue
                for found in (scalar(text, "it"), typed({"x": text})["x"], given(x=text).converted()["x"]):
                    self.assertEqual(found, value)
                    self.assertIs(type(found), type(value))

    def test_that_no_class_expects_are_refused_by_name(self) -> None:
        for text, says in {"[1, 2]": "a list", "{}": "an object", "null": "null", "1e999": "no float"}.items():
            with self.subTest(text):
                with self.assertRaisesRegex(ClientError, f"the value of layers in trainer.config is .*{says}"):
                    typed({"layers": text})
                with self.assertRaisesRegex(ClientError, f"--arg layers is .*{says}"):
                    given(layers=text).converted()

    def test_of_fedsam_itself(self) -> None:
        self.assertEqual(typed({"server_round": "3", "seed": "1" * 64}), {"server_round": 3, "seed": "1" * 64})


class Given(unittest.TestCase):
    def test_twice_or_without_a_name_is_refused(self) -> None:
        self.assertEqual(read_arguments(["a=1", "b=x=y", "c="]), {"a": "1", "b": "x=y", "c": ""})
        cases = {("a=1", "a=2"): "--arg a=1 and --arg a=2 give a twice", ("a",): "--arg a does not name", ("=1",): "--arg =1 does not name"}
        for texts, says in cases.items():
            with self.subTest(texts), self.assertRaisesRegex(ClientError, says):
                read_arguments(texts)


if __name__ == "__main__":
    unittest.main()
