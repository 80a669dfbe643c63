"""Where arrays lie and kernels run: the host or a GPU, one `Backend` each; threads."""
