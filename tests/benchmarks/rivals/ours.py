"""vaecli's own loop, without run folder and evaluation; its modes are those of training.compile."""

from vaecli.backend.process import prepare


def main() -> None:
    from sizes import GRID, LEARNING_RATE, SIDE, SIZES, batch_size, parse_arguments, print_result, read_images

    args = parse_arguments(__doc__)
    prepare(args.threads)
    from vaecli.config import config_from_text
    from vaecli.data import Dataset, Split
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    if args.size == "conv":
        model = f"name: vqvae, num_codes: {GRID.codes}, code_dim: {GRID.width}, commitment: {GRID.commitment}"
        network = f"kind: conv, channels: {list(GRID.channels)}"
    else:
        size = SIZES[args.size]
        model = f"name: gumbel, num_latents: {size.latents}, num_classes: {size.classes}, temperature: 1.0"
        network = f"hidden: {list(size.hidden)}"
    training = f"epochs: {args.epochs}, batch_size: {batch_size(args.size)}, learning_rate: {LEARNING_RATE}"
    if args.mode:
        training += f", compile: {args.mode}"
    if args.bfloat16:
        training += ", precision: mixed_bfloat16, force_precision: true"
    config = config_from_text(f"model: {{{model}}}\nnetwork: {{{network}}}\ntraining: {{{training}}}\n")
    split = Split(read_images(args).reshape(-1, SIDE, SIDE, 1))
    dataset = Dataset("mnist", split, split, 1 / 255, "measured")
    trainer = Trainer(build(config, dataset.image_shape), dataset, config)
    rows = [chunk for chunk in trainer.chunks(trainer.initial_state()) if chunk.metrics is not None]
    assert rows[-1].metrics is not None
    loss = rows[-1].metrics["distortion" if args.size == "conv" else "loss"]
    print_result([row.row_seconds for row in rows], loss, trainer.steps_per_epoch, trainer.batch_size)


if __name__ == "__main__":
    main()
