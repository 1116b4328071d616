"""Networks that predict class probabilities from images."""

from napari_gmmseg.networks.deeplab import DeepLab
from napari_gmmseg.networks.extra import hold_batch_norms_, load_encoder_
from napari_gmmseg.networks.reheading import rehead_
from napari_gmmseg.networks.unet import UNet

__all__ = ["DeepLab", "UNet", "hold_batch_norms_", "load_encoder_", "rehead_"]
