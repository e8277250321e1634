// The least that npm ws does: it takes connections and answers pings.
import { WebSocketServer } from "ws";
import "./garbage.mjs";

const server = new WebSocketServer({ port: Number(process.env.PORT), host: "127.0.0.1" }, () => console.log("ready"));
server.on("connection", (socket) => socket.on("error", () => socket.terminate()));
