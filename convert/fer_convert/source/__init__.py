"""What is converted: the run or file of others, its network, and its pictures."""
