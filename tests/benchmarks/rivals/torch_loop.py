"""PyTorch: a lean loop without a DataLoader, with the fused Adam, that does not wait for the loss at each step.

Its modes are words joined by "+": compile (torch.compile), channels_last; without one it is eager.
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sizes import GRID, LEARNING_RATE, SIDE, SIZES, Size, batch_size, parse_arguments, print_result, read_images


def mlp(shapes: list[tuple[int, int]]) -> nn.Sequential:
    """Dense layers with relu between them, glorot uniform kernels and zero biases."""
    layers: list[nn.Module] = []
    for shape in shapes:
        linear = nn.Linear(*shape)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Dense(nn.Module):
    """The Gumbel-softmax autoencoder; of images [B, 784] it gives the loss, twice."""

    def __init__(self, size: Size):
        super().__init__()
        self.encoder = mlp(size.encoder)
        self.decoder = mlp(size.decoder)
        self.latent_shape = (size.latents, size.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.encoder(x).float().unflatten(-1, self.latent_shape)
        loss = F.mse_loss(self.decoder(F.gumbel_softmax(logits, tau=1.0).flatten(1)).float(), x)
        return loss, loss


class Convolutional(nn.Module):
    """The vqvae of a grid; of images [B, 1, 28, 28] it gives the loss, and the mean squared error alone."""

    def __init__(self) -> None:
        super().__init__()
        first, second = GRID.channels
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, first, 3, 2, 1), nn.ReLU(), nn.Conv2d(first, second, 3, 2, 1), nn.ReLU()),
            nn.Conv2d(second, GRID.width, 1),
        )
        self.decoder = nn.Sequential(
            *(nn.ConvTranspose2d(GRID.width, second, 3, 2, 1, 1), nn.ReLU()),
            *(nn.ConvTranspose2d(second, first, 3, 2, 1, 1), nn.ReLU()),
            nn.Conv2d(first, 1, 3, 1, 1),
        )
        for layer in (*self.encoder, *self.decoder):
            if not isinstance(layer, nn.ReLU):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.codebook = nn.Parameter(0.05 * torch.randn(GRID.codes, GRID.width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        e = self.encoder(x).float().permute(0, 2, 3, 1)
        flat, codebook = e.reshape(-1, GRID.width), self.codebook
        q = codebook[(codebook.square().sum(1) - 2 * flat @ codebook.T).argmin(1)].view_as(e)
        z = (e + (q - e).detach()).permute(0, 3, 1, 2)
        mse = F.mse_loss(self.decoder(z).float(), x)
        return mse + F.mse_loss(q, e.detach()) + GRID.commitment * F.mse_loss(e, q.detach()), mse


def main() -> None:
    args = parse_arguments(__doc__)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    modes = set((args.mode or "").split("+"))
    convolutional = args.size == "conv"
    layout = torch.channels_last if "channels_last" in modes else torch.contiguous_format
    images, batch = torch.from_numpy(read_images(args)), batch_size(args.size)
    model: nn.Module = Convolutional() if convolutional else Dense(SIZES[args.size])
    if convolutional:
        images = images.view(-1, 1, SIDE, SIDE)
        model = model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    loss_of = torch.compile(model) if "compile" in modes else model

    seconds: list[float] = []
    found = float("nan")
    steps = len(images) // batch
    for _ in range(args.epochs):
        start, total = time.perf_counter(), torch.zeros(())
        for indices in torch.randperm(len(images))[: steps * batch].split(batch):
            x = images[indices].float().div_(255)
            if convolutional:
                x = x.contiguous(memory_format=layout)
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
                loss, reported = loss_of(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += reported.detach()
        found = total.item() / steps
        seconds.append(time.perf_counter() - start)
    print_result(seconds, found, steps, batch)


if __name__ == "__main__":
    main()
