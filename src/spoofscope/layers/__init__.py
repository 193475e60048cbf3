"""What detectors learn about the layers of their backbones."""
