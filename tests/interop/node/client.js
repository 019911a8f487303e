// A client from outside, steered line by line: JSON commands come in, JSON events go out.
//
//   node client.js SERVICE DOMAIN USER PASSWORD
//
//   -> {"send": ["message", {"to": "juliet@im.test"}, [["body", {}, ["hi"]]]]}
//   -> {"ask": ["iq", {"type": "get"}, [["query", {"xmlns": "jabber:iq:roster"}, []]]]}
//   -> {"cut": true}       the network is gone
//   -> {"stop": true}
//   <- {"online": "romeo@im.test/x"}, {"stanza": "<presence .../>"}, {"answer": "<iq .../>"}, {"resumed": true},
//      {"offline": true}, {"problem": "..."}
//
// package.json holds sasl-scram-sha-1 at 1.2: later ones answer by a promise, which this @xmpp/client does not wait for.
// It puts a package of one file in place of the Babel that @xmpp/client asks for and never loads: 165 packages fewer.
"use strict";

const { client, xml } = require("@xmpp/client");

const [service, domain, username, password] = process.argv.slice(2);
const xmpp = client({ service, domain, username, password });

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const tree = (node) => (typeof node === "string" ? node : xml(node[0], node[1], ...node[2].map(tree)));

xmpp.on("error", (error) => tell({ problem: String(error) }));
xmpp.on("offline", () => tell({ offline: true }));
xmpp.on("online", (jid) => tell({ online: jid.toString() }));
xmpp.on("stanza", (stanza) => tell({ stanza: stanza.toString() }));
xmpp.on("nonza", (nonza) => nonza.is("resumed") && tell({ resumed: true }));

const commands = {
  send: (stanza) => xmpp.send(tree(stanza)),
  ask: async (iq) => {
    try {
      tell({ answer: (await xmpp.iqCaller.request(tree(iq))).toString() });
    } catch (error) {
      tell({ answer: error.element ? error.element.toString() : String(error) });
    }
  },
  cut: () => xmpp.socket.socket.destroy(), // the TLS socket inside the wrapper
  stop: async () => {
    await xmpp.stop();
    process.exit(0);
  },
};

let rest = "";
process.stdin.on("data", (data) => {
  const lines = (rest + data).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const [[name, argument]] = Object.entries(JSON.parse(line));
    Promise.resolve(commands[name](argument)).catch((error) => tell({ problem: String(error) }));
  }
});
process.stdin.on("end", () => process.exit(0));

xmpp.start().catch((error) => tell({ problem: String(error) }));
