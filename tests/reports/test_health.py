"""Each sentence is said on one side of its threshold and not on the other, and in the same words everywhere."""

from dataclasses import replace

import pytest

from helpers import copied, reseal, small_config
from vaecli.config import config_from_text, read_config
from vaecli.config.latent import Latent
from vaecli.config.resolve import resolved
from vaecli.reports.comparison.groups import compared, records
from vaecli.reports.comparison.story import sentences
from vaecli.reports.comparison.table import table_lines
from vaecli.reports.health import Finding, Records, diagnosed, findings
from vaecli.reports.run.listing import show_lines
from vaecli.reports.run.summary import summary_lines
from vaecli.runs import Run

CODES, VECTOR = Latent((1, 1), 1, (10,), 10), Latent((1, 1), 1, None, 10)
FINAL = {"mse_sampled": 0.05, "mse_relaxed": None, "distortion": None, "rate": 2.0, "perplexity": 9.0}
FINAL |= {"codes_used": 1.0, "gradient": 0.01}
ROW = {"loss": 0.05, "distortion": 0.05, "test_mse_sampled": 0.05, "test_mse_relaxed": None, "test_rate": 2.0}
ROW |= {"test_perplexity": 9.0, "gradient_norm_encoder": 0.01, "gradient_norm_bottleneck": 0.01}
ROW |= {"gradient_norm_decoder": 0.01, "gradient_spread_encoder": 0.3}


def recorded(model="straight_through", *, latent=CODES, config="", rows=None, finished=True, train=60_000, **final):
    """The records of a healthy run of ten epochs of 937 steps, changed: columns by epoch in `rows`."""
    columns = rows or {}
    length = len(next(iter(columns.values()))) if columns else 10
    every = [ROW | {name: values[epoch] for name, values in columns.items()} for epoch in range(length)]
    read = resolved(config_from_text(f"model: {model}\n{config}"))
    after = FINAL | final if finished else {}
    return Records(read, latent, train, 10_000, every, after, mean_image=0.0675 if finished else None)


def said(*args, **kwargs):
    """The findings by kind."""
    return {finding.kind: finding for finding in diagnosed(recorded(*args, **kwargs))}


@pytest.mark.parametrize("latent", [CODES, VECTOR])
@pytest.mark.parametrize("finished", [True, False])
def test_of_a_healthy_run_nothing_is_said(latent, finished):
    assert said(latent=latent, finished=finished) == {}


def test_a_method_without_a_gradient_is_to_be_exchanged():
    found = said("categorical", rows={"gradient_norm_encoder": [0.0] * 10}, mse_sampled=0.0675, codes_used=0.1)
    assert list(found) == ["no gradient"]  # all else follows from it
    assert found["no gradient"].sentence.startswith("No gradient reaches the encoder: its norm is exactly 0, as a hard")
    assert found["no gradient"].settings == ["model.name=straight_through", "model.name=gumbel"]


def test_the_naive_encoder_that_hears_of_its_rate_alone_is_not_taken_for_a_weight_that_is_too_large():
    found = said("categorical", config="objective: {beta: 1.0}", rate=0.01)
    assert list(found) == ["no gradient"]
    assert "its norm of 0.01 is of the rate alone" in found["no gradient"].sentence


@pytest.mark.parametrize(("last", "kinds"), [(0.0, ["no gradient"]), (1e-30, [])])
def test_no_gradient_is_said_of_a_measured_zero_alone(last, kinds):
    assert list(said(rows={"gradient_norm_encoder": [0.01] * 7 + [last] * 3})) == kinds


def test_units_that_died_have_an_epoch_and_need_smaller_steps():
    found = said(rows={"gradient_norm_encoder": [0.01] * 7 + [0.0] * 3})["no gradient"]
    assert "since epoch 8" in found.sentence
    assert found.settings == ["training.learning_rate=0.0001"]


@pytest.mark.parametrize(("rate", "kinds"), [(0.05, ["collapse"]), (0.051, [])])
@pytest.mark.parametrize(("model", "latent"), [("straight_through", CODES), ("vae", VECTOR)])
def test_a_posterior_equals_the_prior_up_to_a_rate(model, latent, rate, kinds):
    beta = "objective: {beta: 2.0}"
    found = said(model, latent=latent, config=beta, rows={"test_rate": [2.0] * 4 + [0.01] * 6}, rate=rate)
    assert list(found) == kinds
    for finding in found.values():
        assert "since epoch 5: the posterior equals the prior, with a rate of 0.050 nats (at most 0.05)" in str(finding)
        assert finding.settings == ["objective.beta=0.2"]


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (
            "objective: {likelihood: bernoulli, beta: 1.0}",
            ["objective.beta={schedule: linear, start: 0, end: 1, horizon: 4}", "objective.beta=0.1"],
        ),
        (
            "objective: {likelihood: bernoulli, beta: 0.5}\ntraining: {steps: 9370}",
            ["objective.beta={schedule: linear, start: 0, end: 0.5}", "objective.beta=0.05"],
        ),
        (
            "objective: {likelihood: bernoulli, beta: {schedule: linear, start: 0.5, end: 1.0, horizon: 2}}",
            ["objective.beta.start=0.05"],
        ),
    ],
)
def test_where_a_likelihood_is_in_nats_the_weight_of_the_rate_may_rise_to_what_it_is(config, settings, tmp_path):
    found = said("rloo", config=config, rows={"test_rate": [0.01] * 10}, rate=0.0)["collapse"]
    assert found.settings == settings
    for setting in settings:
        (tmp_path / "own.yaml").write_text(f"model: rloo\n{config}\n", encoding="utf-8")
        assert (
            read_config(str(tmp_path / "own.yaml"), [setting]).objective.beta
            != config_from_text(f"model: rloo\n{config}").objective.beta
        )


@pytest.mark.parametrize(("perplexity", "kinds"), [(1.05, ["collapse"]), (1.06, [])])
def test_all_images_have_one_code_up_to_a_perplexity(perplexity, kinds):
    rows = {"test_perplexity": [9.0, 1.2] + [1.0] * 8, "gradient_norm_encoder": [0.01] * 2 + [1e-8] * 8}
    found = said(rows=rows, perplexity=perplexity, rate=2.29, mse_sampled=0.0675)
    assert [kind for kind in found if kind == "collapse"] == kinds
    if kinds:
        assert "All images have one code since epoch 3" in found["collapse"].sentence
        assert "the posterior is saturated, a point, with a rate of 2.29 of 2.30 nats" in found["collapse"].sentence
        assert found["collapse"].settings == ["training.output_bias=data_mean", "training.learning_rate=0.0001"]


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("", ["training.output_bias=data_mean", "training.learning_rate=3e-05"]),
        ("\ntraining: {learning_rate: 0.00001}", ["training.learning_rate=0.0003", "training.output_bias=data_mean"]),
    ],
)
def test_steps_are_too_small_below_those_that_the_network_has_by_default(config, settings):
    rows = {"test_perplexity": [1.0] * 10, "gradient_norm_encoder": [1e-8] * 10}
    found = said(config=f"network: {{hidden: [512, 256]}}{config}", rows=rows, perplexity=1.0, rate=2.29)
    assert found["collapse"].settings == settings


def test_a_quantiser_is_a_point_always_so_that_it_is_not_said():
    assert "saturated" not in str(said("vqvae", perplexity=1.0, rate=2.3026)["collapse"])


def test_a_collapse_of_a_run_that_only_began_needs_more_steps_first():
    found = said(perplexity=1.0, rate=1.0, train=1437)["collapse"]
    assert found.settings == ["training.output_bias=data_mean", "training.epochs=91"]


@pytest.mark.parametrize(
    ("losses", "norms", "kinds"),
    [
        ([1, 1.02, 1.03, 1.05], [1, 1, 1, 1.1], ["divergence"]),
        ([1, 1.02, 1.03, 1.04], [1, 1, 1, 1.1], []),
        ([1, 1.02, 1.03, 1.05], [1, 1, 1, 1.05], []),
        ([1, 1.04, 1.03, 1.05], [1, 1, 1, 1.1], []),
    ],
)
def test_a_run_diverges_if_its_loss_rises_each_time_and_its_gradient_grows(losses, norms, kinds):
    parts = {f"gradient_norm_{part}": norms for part in ("encoder", "bottleneck", "decoder")}
    rows = {"loss": losses, "test_mse_sampled": [0.05, 0.05, 0.05, 0.051], **parts}
    assert list(said(rows=rows)) == kinds
    assert list(said(rows=rows, finished=False)) == kinds
    if kinds:
        assert said(rows=rows)["divergence"].settings == ["training.learning_rate=0.0001", "training.clip_norm=1"]


@pytest.mark.parametrize(("spread", "kinds"), [(1.0, ["noisy gradient"]), (0.99, [])])
def test_a_gradient_is_noisy_from_a_spread_on(spread, kinds):
    rows = {"gradient_spread_encoder": [0.3] * 9 + [spread]}
    found = said("{name: gumbel_st, temperature: 0.05}", rows=rows)
    assert list(found) == kinds
    if kinds:
        assert found["noisy gradient"].settings == ["model.temperature=0.5", "model.unimix=0.01"]
        assert said("rloo", rows=rows)["noisy gradient"].settings == ["model.unimix=0.01", "model.num_draws=8"]


@pytest.mark.parametrize(("last", "kinds"), [(0.8, ["few steps"]), (0.9, [])])
def test_steps_are_few_where_the_loss_falls_steeply(last, kinds):
    rows = {"loss": [1.0, last]}  # a = (1 - last) / last: 16 % for each doubling, and 7 %
    found = said(rows=rows, config="training: {epochs: 2}")
    assert list(found) == kinds
    assert "few steps" not in said(rows={"loss": [2.0, 1.0, last]})  # 2,811 are not few
    if kinds:
        assert found["few steps"].sentence.startswith("Its 1,874 steps are few (at most 2,000)")
        assert "by 16% for each doubling" in found["few steps"].sentence
        assert found["few steps"].settings == ["training.epochs=8"]


def test_a_run_that_overfits_needs_no_more_steps():
    rows = {"loss": [1.0, 0.8], "test_mse_sampled": [0.05, 0.06], "distortion": [0.05, 0.04]}
    assert list(said("vae", latent=VECTOR, rows=rows)) == ["overfit"]


def test_one_epoch_is_held_against_its_own_end():
    assert list(said(rows={"distortion": [0.1]}, mse_sampled=0.05)) == ["few steps"]
    assert list(said(rows={"distortion": [0.051]}, mse_sampled=0.05)) == []


@pytest.mark.parametrize(("error", "kinds"), [(0.0642, ["mean image"]), (0.0641, [])])
def test_the_mean_image_is_said_where_nothing_else_is(error, kinds):
    found = said("vqvae", mse_sampled=error)
    assert list(found) == kinds
    assert list(said("vqvae", mse_sampled=error, codes_used=0.1)) == (kinds or ["dead codes"])
    if kinds:
        sentence = "It does little better than the mean image: its error of 0.0642 is 95% of the mean image's 0.0675"
        assert found["mean image"].sentence.startswith(sentence)


def test_an_error_above_that_of_the_mean_image_is_no_better():
    found = said("vqvae", mse_sampled=0.135)
    assert found["mean image"].sentence.startswith("It does no better than the mean image: its error of 0.1350 is 200%")


def test_a_loss_that_does_not_move_at_a_small_step_needs_a_larger_one():
    rows = {"loss": [0.25] * 10}
    found = said("vqvae", config="training: {learning_rate: 1e-6}", rows=rows, mse_sampled=0.25)
    assert found["mean image"].settings[0] == "training.learning_rate=0.001"


@pytest.mark.parametrize(("used", "kinds"), [(0.4, ["dead codes"]), (0.5, [])])
def test_dead_codes_are_a_share_of_the_codes(used, kinds):
    found = said("vqvae", codes_used=used)
    assert list(found) == kinds
    if kinds:
        assert found["dead codes"].sentence.startswith("6 of 10 codes are never used on the test set (60%, at least")
        assert found["dead codes"].settings == ["model.restart=1.0", "model.codebook=ema"]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("vqvae", ["model.restart=1.0", "model.codebook=ema"]),
        ("{name: vqvae, codebook: ema}", ["model.restart=1.0", "model.num_codes=4"]),
        ("{name: vqvae, codebook: ema, restart: 1.0}", ["model.num_codes=4", "training.output_bias=data_mean"]),
        ("simvq", ["model.num_codes=4", "training.output_bias=data_mean"]),
        ("fsq", ["training.output_bias=data_mean", "training.learning_rate=0.0001"]),
    ],
)
def test_what_brings_codes_back_depends_on_what_is_there_already(model, settings):
    assert said(model, codes_used=0.4)["dead codes"].settings == settings


def test_dead_codes_have_an_epoch_and_a_codebook_has_lengths():
    records = recorded("vqvae", rows={"test_codes_used": [0.9] * 4 + [0.4] * 6}, codes_used=0.4)
    (found,) = diagnosed(replace(records, lengths=(0.2, 1.9)))
    assert "on the test set since epoch 5 (60%" in found.sentence
    assert found.sentence.endswith("; its rows have a mean length of 0.2, encodings of 1.9.")


@pytest.mark.parametrize(("last", "kinds"), [(0.75, ["dying codes"]), (0.8, [])])
@pytest.mark.parametrize("finished", [True, False])
def test_codes_that_have_died_are_a_share_of_those_that_were_in_use(last, kinds, finished):
    """While it runs, too: a run can be stopped before its end."""
    rows = {"test_codes_used": [0.9, 1.0, 1.0, 0.8, last]}
    found = said("vqvae", rows=rows, finished=finished, codes_used=last)
    assert list(found) == kinds
    for finding in found.values():
        assert "100% of 10 were used at epoch 2, and now 75% on the test set (25% less, at least 25%)" in str(finding)
        assert finding.settings[0] == "model.restart=1.0"


@pytest.mark.parametrize(("unquantized", "kinds"), [(0, ["dying codes"]), (2 * 937, [])])
def test_codes_of_kmeans_that_die_in_the_first_epochs_are_named_once_they_have_begun(unquantized, kinds):
    """After two epochs, the second of which is the last without quantisation or not."""
    model = f"{{name: vqvae, init: kmeans, unquantized_steps: {unquantized}}}"
    found = said(model, rows={"test_codes_used": [0.6, 0.6]}, finished=False)
    assert list(found) == kinds
    for finding in found.values():
        assert "100% of 10 were used when k-means began them, and now 60% on the test set (40% less" in str(finding)


def test_codes_without_a_codebook_do_not_die():
    assert said(rows={"test_codes_used": [1.0] * 9 + [0.5]}, codes_used=0.5) == {}


def test_more_codes_than_the_images_could_fill_are_not_dead():
    assert said("vqvae", latent=Latent((1, 1), 1, (2001,), 10), codes_used=0.1) == {}
    assert list(said("vqvae", latent=Latent((1, 1), 1, (2000,), 10), codes_used=0.1)) == ["dead codes"]


@pytest.mark.parametrize(("relaxed", "kinds"), [(0.0384, ["relaxation gap"]), (0.0386, [])])
def test_a_relaxation_gap_is_a_share_of_the_relaxed_error(relaxed, kinds):
    found = said("gumbel", mse_relaxed=relaxed)
    assert list(found) == kinds
    if kinds:
        assert "on codes the error is 0.0500 instead of 0.0384, 30% more (at least 30%)" in str(found["relaxation gap"])
        assert found["relaxation gap"].settings == ["model.temperature=0.5"]


@pytest.mark.parametrize(("floor", "kinds"), [(0.2, ["temperature"]), (0.1, [])])
def test_a_temperature_that_its_floor_holds_did_not_come_to_its_end(floor, kinds):
    schedule = f"{{schedule: linear, start: 1.0, end: 0.1, floor: {floor}}}"
    found = said(f"{{name: gumbel, temperature: {schedule}}}")
    assert list(found) == kinds
    for finding in found.values():
        assert finding.sentence == "The temperature did not come to its end: it was still 0.2, above 0.1."
        assert finding.settings == ["model.temperature.floor=0.1"]


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize(
    ("last", "trained", "kinds"), [(0.0526, 0.04, ["overfit"]), (0.0524, 0.04, []), (0.06, 0.05, [])]
)
def test_a_run_overfits_if_one_error_rises_and_the_other_falls(split, last, trained, kinds):
    rows = {f"{split}_mse_sampled": [0.07, 0.05, 0.051, last], "distortion": [0.07, 0.05, 0.045, trained]}
    found = said("vae", latent=VECTOR, rows=rows)
    assert list(found) == kinds
    for finding in found.values():
        assert f"since epoch 2 the error on {split} images rose by 5% (at least 5%)" in finding.sentence
        assert finding.settings == ["training.epochs=2"]


def test_no_share_is_taken_of_a_density_whose_zero_means_nothing():
    gaussian = "objective: {likelihood: gaussian, scale: 0.1}\ntraining: {epochs: 4}"
    rows = {
        "test_distortion": [-1.0, -9.0, -2.0, -1.0],
        "distortion": [9.0, 1.0, 0.0, -1.0],
        "loss": [-1.0, -2.0, -4.0, -8.0],
    }
    assert said(config=gaussian, rows=rows, train=1437) == {}
    rows |= {"test_mse_sampled": [0.07, 0.05, 0.051, 0.053]}
    assert list(said(config=gaussian, rows=rows)) == ["overfit"]


def test_a_finding_ends_with_what_to_try():
    assert str(Finding("x", "It is.", ["a.b=1", "c.d=2"])) == "It is. Try a.b=1 or c.d=2."


def test_a_value_that_an_old_run_does_not_have_makes_no_sentence(finished, tmp_path):
    run = copied(finished("straight_through"), tmp_path)
    now = {finding.kind for finding in findings(run)}
    reseal(run.summary_json, lambda summary: summary.pop("mean_image"))
    assert {finding.kind for finding in findings(Run(run.path))} <= now


def test_train_show_and_compare_say_the_same_words(finished):
    run = finished("categorical")
    (finding,) = findings(run)
    line = f"  health              {finding}"
    assert line in list(summary_lines(run))  # which train prints
    assert line in list(show_lines(run))
    (group,) = groups = compared([run, finished("gumbel")])
    row = next(row for row in group.rows if row.name == "categorical")
    assert f"  note: categorical: {finding}".removesuffix(".") in list(table_lines(groups, {}))
    assert str(finding) in list(sentences(group, row))  # which the page prints
    assert str(finding) in [record["health"] for record in records(groups)]


def test_a_row_says_which_of_its_seeds_are_alike(once):
    runs = [once(small_config("categorical", seed=seed)) for seed in (0, 1)]
    (row,) = compared(runs)[0].rows
    assert row.health == [f"{findings(runs[0])[0]} (Seed 0, and alike seed 1.)"]
