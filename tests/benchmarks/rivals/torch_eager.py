"""PyTorch eager: a lean loop without a DataLoader and without waiting for the loss at each step."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sizes import LEARNING_RATE, PIXELS, SIZES, Size, parse_arguments, print_result


def mlp(shapes: list[tuple[int, int]]) -> nn.Sequential:
    """Dense layers with relu between them, glorot uniform kernels and zero biases."""
    layers: list[nn.Module] = []
    for shape in shapes:
        linear = nn.Linear(*shape)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        self.encoder = mlp(size.encoder)
        self.decoder = mlp(size.decoder)
        self.latent_shape = (size.latents, size.classes)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.encoder(x).unflatten(-1, self.latent_shape)
        return self.decoder(F.gumbel_softmax(logits, tau=1.0).flatten(1))


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, batch: int) -> float:
    """One pass over the shuffled images; returns the mean loss."""
    steps = len(images) // batch
    total = torch.zeros(())
    for indices in torch.randperm(len(images))[: steps * batch].split(batch):
        x = images[indices].float().div_(255)
        loss = F.mse_loss(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return total.item() / steps


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    size = SIZES[args.size]
    images = torch.from_numpy(np.load(args.data)["x_train"].reshape(-1, PIXELS))
    model = Autoencoder(size)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    seconds: list[float] = []
    loss = float("nan")
    for _ in range(args.epochs):
        start = time.perf_counter()
        loss = train_epoch(model, optimizer, images, size.batch)
        seconds.append(time.perf_counter() - start)
    print_result("PyTorch eager", seconds, loss, len(images) // size.batch, size.batch)


if __name__ == "__main__":
    main()
