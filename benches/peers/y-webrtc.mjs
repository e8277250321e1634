// y-webrtc's signalling server, the program of the package itself; it listens on PORT.
import net from "node:net";
import "./garbage.mjs";
import "../node_modules/y-webrtc/bin/server.js";

/** It says where it will listen before it listens, so it is asked until it answers. */
function knock() {
  const socket = net.connect(Number(process.env.PORT), "127.0.0.1");
  socket.on("connect", () => {
    socket.destroy();
    console.log("ready");
  });
  socket.on("error", () => setTimeout(knock, 20));
}
knock();
