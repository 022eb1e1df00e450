// Reads [{header, config}] from standard input and prints, for each, the parameters by dtype that the
// hub's JavaScript client counts. Nothing is fetched: the client is given files made up from the headers.

const { parseSafetensorsMetadata } = require("@huggingface/hub");

function serve({ header, config }) {
	const text = Buffer.from(JSON.stringify(header));
	const size = Object.values(header).reduce((end, tensor) => Math.max(end, tensor.data_offsets[1]), 0);
	const file = Buffer.alloc(8 + text.length + size);
	file.writeBigUInt64LE(BigInt(text.length));
	text.copy(file, 8);
	const files = { "model.safetensors": file, "config.json": Buffer.from(JSON.stringify(config)) };
	return async (url, init) => {
		const content = files[String(url).split("/").pop()];
		if (!content) {
			return new Response(null, { status: 404, headers: { "X-Error-Code": "EntryNotFound" } });
		}
		const headers = { etag: '"made-up"' };
		const range = /^bytes=(\d+)-(\d*)$/.exec(new Headers(init?.headers).get("range") ?? "");
		if (!range) {
			return new Response(content, { status: 200, headers });
		}
		const start = Number(range[1]);
		const end = Math.min(range[2] === "" ? Infinity : Number(range[2]), content.length - 1);
		headers["content-range"] = `bytes ${start}-${end}/${content.length}`;
		return new Response(content.subarray(start, end + 1), { status: 206, headers });
	};
}

async function main() {
	let input = "";
	for await (const chunk of process.stdin) {
		input += chunk;
	}
	const counted = [];
	for (const model of JSON.parse(input)) {
		const found = await parseSafetensorsMetadata({
			repo: "made/up",
			computeParametersCount: true,
			fetch: serve(model),
		});
		counted.push(found.parameterCount);
	}
	console.log(JSON.stringify(counted));
}

main();
