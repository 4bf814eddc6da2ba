"""A Ray cluster of two nodes on this machine: `python ray_nodes.py`.

Prints its address. Reads commands from standard input: "node" kills the second node,
"head" the first. At the end of the input all of it ends.
"""

import os
import sys
from tempfile import TemporaryDirectory

SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def main() -> None:
    # Ray keeps the logs of a cluster; a socket in a longer name would be refused.
    with TemporaryDirectory(
        prefix="tagger-",
        dir="/tmp",
        ignore_cleanup_errors=True,
    ) as folder:
        os.environ["RAY_TMPDIR"] = folder
        serve()


def serve() -> None:
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
