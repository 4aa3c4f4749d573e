"""Measurements that anyone can make again; see README.md."""
