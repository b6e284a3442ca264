"""The two worlds that the starter's texts are about."""
