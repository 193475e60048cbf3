"""`spoofscope import`: published weights as a detector."""

import argparse

from spoofscope.commands.arguments import Subcommands
from spoofscope.files import shown
from spoofscope.published.formats import FORMATS


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "import",
        help="published weights as a detector",
        description="Writes the weights that others published as a detector folder, which predict, "
        "studies and the Python API take like a trained one.",
        epilog="formats: "
        + "; ".join(f"{name}: {known.title}" for name, known in sorted(FORMATS.items())),
    )
    parser.add_argument("format", choices=sorted(FORMATS), metavar="FORMAT", help="see below")
    parser.add_argument("weights", metavar="WEIGHTS", help="the published state dict")
    parser.add_argument("out_dir", metavar="OUT_DIR", help="the detector's folder")
    parser.add_argument(
        "--backbone",
        metavar="FOLDER",
        help="for ssl-aasist: a transformers folder of XLS-R 300M; only its config.json is read",
    )
    parser.add_argument(
        "--wavelet", metavar="NAME", help="for ganpolice-dcnn: the packets' wavelet, sym5 or coif4"
    )
    parser.add_argument(
        "--stft", action="store_true", help="for ganpolice-dcnn: weights of the STFT"
    )
    for name, what in (("mean", "mean"), ("std", "standard deviation")):
        parser.add_argument(
            f"--{name}",
            type=float,
            metavar="NUMBER",
            help=f"for ganpolice-dcnn: {what} of the training set's features",
        )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.published.importing import import_detector

    detector = import_detector(
        options.format,
        options.weights,
        options.out_dir,
        backbone=options.backbone,
        wavelet=options.wavelet,
        stft=options.stft,
        mean=options.mean,
        std=options.std,
    )
    size = sum(parameter.numel() for parameter in detector.parameters())
    print(f"{shown(options.out_dir)}: {FORMATS[options.format].title}, {size:,} parameters")
    return 0
