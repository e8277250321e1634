// PeerJS's signalling server as its own program starts it, with room for the connections, which send no heartbeats.
import { PeerServer } from "peer";
import "./garbage.mjs";

PeerServer({ port: Number(process.env.PORT), host: "127.0.0.1", path: "/", concurrent_limit: 100_000, alive_timeout: 600_000 }, () => {
  console.log("ready");
});
