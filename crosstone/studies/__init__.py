"""Studies: grids of runs that end in a paper's table or figure and in a board of its claims."""
