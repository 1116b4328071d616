"""Networks that predict class probabilities from images."""

from napari_gmmseg.networks.reheading import rehead_
from napari_gmmseg.networks.unet import UNet

__all__ = ["UNet", "rehead_"]
