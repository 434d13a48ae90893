"""What an architecture costs on a board, by the word of Arm's compiler for it."""
