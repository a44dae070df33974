"""DNA: the class of a sequence, or the genes in it."""

LOADED_BY = {"dna": "dna_model"}
