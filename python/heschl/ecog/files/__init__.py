"""Files that hold arrays (.npz, .npy, zarr, netCDF, HDF5): opening one runs no code and takes no more than it holds."""
