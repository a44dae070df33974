"""How fast, how quick to compile and how frugal rnnjax is beside other libraries."""
