"""A Ray cluster of two nodes on this machine: `python ray_nodes.py`.

Prints its address. Reads commands from standard input: "node" kills the second node,
"head" the first. At the end of the input all of it ends.
"""

import sys

SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args=SMALL | {"include_dashboard": False}
    )
    try:
        second = cluster.add_node(wait=True, **SMALL)
        print(cluster.address, flush=True)  # noqa: T201  it is read by the test
        for command in sys.stdin:
            node = second if command.strip() == "node" else cluster.head_node
            assert node
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
