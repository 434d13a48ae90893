"""The cost of an architecture on a board, as compiled by Vela, Arm's compiler for its Ethos-U NPUs."""
