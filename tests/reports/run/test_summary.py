import pytest

from helpers import KINDS, forge, made_up, small_config, train
from vaecli.reports.run.summary import summary_lines
from vaecli.runs.references import References, references_path, save_references


@pytest.fixture(scope="session")
def said(finished):
    """`said(method)`: the summary of its finished run."""
    return lambda method: "\n".join(summary_lines(finished(method)))


@pytest.mark.parametrize("method", KINDS)
def test_every_summary_names_method_data_and_errors(said, finished, method):
    mse, text = finished(method).summary["test"]["mse"], said(method)
    assert text.startswith(f"{method} on digits, 2 epochs, ")
    assert f"test mse per pixel  {mse['sampled']:.4f} on sample" in text
    assert f"{mse['mode']:.4f} on" in text
    assert ("relaxation gap" in text) == (mse["relaxed"] is not None)
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize("method", KINDS)
def test_code_use_is_told_of_discrete_methods_alone(said, finished, method):
    assert ("perplexity" in said(method)) == finished(method).latent.discrete


def test_what_received_no_gradient_is_named(said, finished):
    unheard = finished("categorical").summary["without_gradient"]
    assert {name.partition("/")[0] for name in unheard} == {"encoder", "bottleneck"}
    assert (
        said("categorical")
        .splitlines()[-1]
        .startswith(f"  health              No gradient reaches {', '.join(unheard)}")
    )


@pytest.mark.parametrize("method", [name for name in KINDS if name != "categorical"])
def test_nothing_is_said_of_missing_gradients_where_none_is_missing(said, method):
    assert "No gradient" not in said(method)


def test_the_mean_image_is_told_of_a_run_that_has_measured_it(said, finished):
    assert f"  mean image          {finished('vae').summary['mean_image']['mse']:.4f} per pixel" in said("vae")


def test_a_likelihood_has_an_elbo_and_two_latents_have_no_accuracy(tmp_path):
    extra = "objective: {likelihood: bernoulli, beta: 1.0}"
    run = train(small_config("{name: gumbel, num_latents: 3, num_classes: 7}", epochs=1, extra=extra), tmp_path)
    test, text = run.summary["test"], "\n".join(summary_lines(run))
    elbo = f"test ELBO           {test['elbo']:.2f} nats per image = -(distortion {test['distortion']:.2f} + rate"
    assert elbo in text
    assert test["elbo"] == pytest.approx(-test["distortion"] - test["rate"])
    assert "accuracy" not in text
    assert "no reference fits that many codes" in text  # 7^3 = 343


def learned(run):
    (line,) = [line for line in summary_lines(run) if line.startswith("  learned ")]
    return line.removeprefix("  learned").strip()


def test_what_is_learned_is_unknown_only_until_the_references_are_computed(tmp_path):
    run = made_up(tmp_path, "gumbel", 0, 0.05, data="digits")
    assert learned(run) == "unknown until `vaecli data references` has computed the references"
    digest = run.info["data"]["digest"]
    path = references_path(tmp_path, "digits", digest)
    save_references(path, References("digits", digest, 0.07, kmeans={"10": {"mse": 0.03, "nmi": 0.5}}))
    assert learned(run) == "50% of the way from the mean image (0.0700) to k-means, K = 10 (0.0300)"


def test_where_the_reference_is_no_better_than_the_mean_image_nothing_can_be_learned(tmp_path):
    run = made_up(tmp_path, "vae", 0, 0.05, data="digits")
    digest = run.info["data"]["digest"]
    save_references(
        references_path(tmp_path, "digits", digest), References("digits", digest, 0.07, pca={"10": {"mse": 0.07}})
    )
    assert learned(run) == "nothing: PCA, 10 components (0.0700) is no better than the mean image (0.0700)"


@pytest.mark.parametrize(
    ("method", "images", "reason"),
    [
        ("gumbel", 9, "no reference: k-means has at most as many centres as images, 9, and 10 would be needed"),
        ("vae", 8, "no reference: PCA has at most as many axes as images and pixels, 8, and 10 would be needed"),
    ],
)
def test_of_too_few_images_there_is_no_reference_to_wait_for(tmp_path, method, images, reason):
    run = made_up(tmp_path, method, 0, 0.05, data="digits")
    assert learned(forge(run, lambda info: info["data"].update(train=images))) == reason
