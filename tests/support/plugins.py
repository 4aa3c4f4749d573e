"""Distributions with providers, as pip installs them: a module and its metadata."""

from pathlib import Path

THIRD = "from support.third_provider.provider import ThirdProvider\n"
"""The source of a plug-in with the provider `third-images` and the account `third`."""


def install(folder: Path, distribution: str, source: str, name: str = "ThirdProvider") -> None:
    """Install a plug-in with one provider class into a folder of `sys.path`."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\n")
    entry = f"[imagequeue.providers]\nimages = {module}:{name}\n"
    metadata.joinpath("entry_points.txt").write_text(entry)
