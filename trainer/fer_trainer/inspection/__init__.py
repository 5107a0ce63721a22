"""The data-set doctor: what there is, what is there twice, what contradicts itself."""
