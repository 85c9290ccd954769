"""A Ray cluster of nodes with one CPU each, in a process of its own.

When Ray's head process is killed, those that are connected to it end. Prints its address and the
process ids of its parts as JSON; ends with its standard input.
"""

import json
import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Start as many nodes as the first argument says."""
    one = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=one)
    for _ in range(int(sys.argv[1]) - 1):
        cluster.add_node(num_cpus=1)
    nodes = [cluster.head_node, *cluster.worker_nodes]
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    control = cluster.head_node.all_processes["gcs_server"][0].process.pid
    session = cluster.head_node.get_session_dir_path()
    parts = {"address": cluster.address, "raylets": raylets, "control": control}
    print(json.dumps(parts | {"session": session}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
