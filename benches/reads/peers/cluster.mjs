// Starts a server in one process, or in several that share a port, and prints its port.
//
// PEER_DATABASE is the database's URL, PEER_PORT the port, PEER_WORKERS the number of processes,
// PEER_CONNECTIONS the total number of database connections.
import nodeCluster from "node:cluster";

export async function cluster(build) {
  const workers = Number(process.env.PEER_WORKERS ?? 1);
  const port = Number(process.env.PEER_PORT);
  if (nodeCluster.isPrimary && workers > 1) {
    let listening = 0;
    nodeCluster.on("listening", () => {
      listening += 1;
      if (listening === workers) console.log(`listening on ${port}`);
    });
    nodeCluster.on("exit", () => process.exit(1));
    for (let worker = 0; worker < workers; worker += 1) nodeCluster.fork();
    return;
  }
  const connections = Math.max(1, Math.floor(Number(process.env.PEER_CONNECTIONS ?? 10) / workers));
  const server = await build({ database: process.env.PEER_DATABASE, connections });
  server.listen(port, "127.0.0.1", () => {
    if (nodeCluster.isPrimary) console.log(`listening on ${port}`);
  });
}
