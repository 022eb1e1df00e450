"""Sources of models, driven over real HTTP on loopback and over real files."""
