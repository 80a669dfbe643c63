"""A study on other machines: its pieces as tasks of dask.distributed, which says where and when each of them runs."""
