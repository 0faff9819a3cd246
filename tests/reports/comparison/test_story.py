"""Each sentence is said on one side of its threshold and not on the other."""

import pytest

from helpers import made_up
from vaecli.reports.comparison.groups import compared
from vaecli.reports.comparison.story import answer, sentences
from vaecli.runs.references import References, references_path, save_references


def told(runs, name):
    groups = compared(runs)
    (group, row) = next((group, row) for group in groups for row in group.rows if row.name == name)
    return " ".join(sentences(group, row))


@pytest.mark.parametrize(
    ("learned", "words"),
    [
        (0.0499, "It went 5% of the way from the mean image to k-means with 10 centres."),
        (0.06, "It went 6% of the way from the mean image to k-means with 10 centres."),
        (-0.004, "It went 0% of the way"),
        (0.96, "It went 96% of the way"),
        (0.975, "It is as good as k-means with 10 centres, or better (98% of the way"),
    ],
)
def test_what_was_learned_is_a_share_of_the_way(tmp_path, learned, words):
    run = made_up(tmp_path, "gumbel", 0, 1 - learned)
    digest = run.info["data"]["digest"]
    references = References("mnist", digest, 1.0, kmeans={"10": {"mse": 0.0}})
    save_references(references_path(tmp_path, "mnist", digest), references)
    assert words in told([run], "gumbel")


def test_without_references_nothing_is_said_of_the_way(tmp_path):
    assert "of the way" not in told([made_up(tmp_path, "gumbel", 0, 0.05)], "gumbel")


@pytest.mark.parametrize(("accuracy", "words"), [(0.9, "Its codes are the labels"), (0.89, "are not the labels")])
def test_codes_are_the_labels_from_an_accuracy_on(tmp_path, accuracy, words):
    run = made_up(tmp_path, "gumbel", 0, 0.05, codes_used=1.0, accuracy=accuracy)
    assert words in told([run], "gumbel")


def test_what_the_seeds_can_say_is_said(three_seeds):
    assert "lowest error on sampled codes, not distinguishable from categorical by these seeds" in told(
        three_seeds, "exact"
    )
    assert "It is not distinguishable from exact by these 3 seeds." in told(three_seeds, "categorical")
    assert "It is 0.0100 ± 0.0000 behind exact." in told(three_seeds, "gumbel")


def test_one_seed_and_no_common_seed_are_said(tmp_path):
    runs = [made_up(tmp_path, "exact", 0, 0.05), made_up(tmp_path, "gumbel", 0, 0.06)]
    assert "0.0100 behind exact at one seed, which gives no interval" in told(runs, "gumbel")
    runs = [made_up(tmp_path, "exact", 1, 0.05), made_up(tmp_path, "gumbel", 2, 0.06)]
    assert "shares no seed with exact" in told([runs[0], runs[1]], "gumbel")


@pytest.mark.parametrize(("mode", "said"), [(0.0199, True), (0.0190, False)])
def test_a_gaussian_without_noise_is_told(tmp_path, mode, said):
    assert ("Its noise has shrunk away" in told([made_up(tmp_path, "vae", 0, 0.02, mode=mode)], "vae")) == said


def test_the_closing_question_is_answered_by_the_closest(tmp_path):
    runs = [made_up(tmp_path, "gumbel", 0, 0.05, accuracy=0.5), made_up(tmp_path, "exact", 0, 0.06, accuracy=0.4)]
    assert answer(compared(runs)).startswith("No. The closest is gumbel: ")
    runs.append(made_up(tmp_path, "vqvae", 0, 0.06, accuracy=0.95))
    assert answer(compared(runs)).startswith("Yes, for vqvae. The closest is vqvae: ")
    assert answer(compared([made_up(tmp_path, "vae", 0, 0.02)])) is None
