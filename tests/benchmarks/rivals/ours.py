"""vaecli's own loop, without run folder and evaluation."""

from pathlib import Path

from vaecli.backend.process import prepare


def main() -> None:
    from sizes import LEARNING_RATE, SIZES, parse_arguments, print_result

    args = parse_arguments(__doc__)
    prepare(args.threads)
    from vaecli.config import config_from_text
    from vaecli.data.files import npz_dataset
    from vaecli.models.autoencoder import build
    from vaecli.training.trainer import Trainer

    size = SIZES[args.size]
    config = config_from_text(
        f"model: {{name: gumbel, num_latents: {size.latents}, num_classes: {size.classes}, temperature: 1.0}}\n"
        f"network: {{hidden: {list(size.hidden)}}}\n"
        f"data: {{name: npz, path: {args.data}}}\n"
        f"training: {{epochs: {args.epochs}, batch_size: {size.batch}, learning_rate: {LEARNING_RATE}}}\n"
    )
    dataset = npz_dataset(Path(args.data))
    trainer = Trainer(build(config, dataset.image_shape), dataset, config)
    seconds, loss = [], None
    for chunk in trainer.chunks(trainer.initial_state()):
        if chunk.metrics is not None:
            seconds.append(chunk.row_seconds)
            loss = chunk.metrics["loss"]
    print_result("vaecli", seconds, loss, trainer.steps_per_epoch, size.batch)


if __name__ == "__main__":
    main()
