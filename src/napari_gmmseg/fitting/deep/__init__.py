"""Deep mixtures: networks trained by a mixture's likelihood on one case."""
