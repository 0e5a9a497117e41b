"""Constructors: filled by name, each argument of the type that it asks for, a missing one named."""

import pathlib
import unittest
from typing import List, Optional

from fedsam_client.arguments import convert, fill, read_given, scalar
from fedsam_client.errors import ClientError

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

    def test_of_nothing_known_are_numbers_where_they_look_so(self) -> None:
        cases = {"1": 1, "-2": -2, "0.5": 0.5, "1e-4": 1e-4, "true": True, "007": "007", "1.2.3": "1.2.3", "": "", "nan": "nan"}
        for text, value in cases.items():
            with self.subTest(text):
                self.assertEqual(scalar(text), value)
                self.assertIs(type(scalar(text)), type(value))


if __name__ == "__main__":
    unittest.main()
