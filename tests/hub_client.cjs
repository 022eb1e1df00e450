// Prints as JSON what the hub's JavaScript client makes of a hub. Arguments: endpoint, model.
const hub = require("@huggingface/hub");

async function collect(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function main([hubUrl, name]) {
  const repo = name;
  const [author] = name.split("/");
  const listed = await collect(hub.listModels({ search: { owner: author }, hubUrl }));
  const files = await collect(hub.listFiles({ repo, recursive: true, hubUrl }));
  const weights = await hub.parseSafetensorsMetadata({ repo, computeParametersCount: true, hubUrl });
  const missing = await hub.modelInfo({ name: `${author}/none`, hubUrl }).catch((error) => error.statusCode);
  return {
    listed: listed.map((model) => model.name),
    files: Object.fromEntries(files.map((file) => [file.path, file.size])),
    exists: await hub.fileExists({ repo, path: "config.json", hubUrl }),
    absent: await hub.fileExists({ repo, path: "none.json", hubUrl }),
    sharded: weights.sharded,
    parameters: weights.parameterCount,
    missing,
  };
}

main(process.argv.slice(2)).then((result) => console.log(JSON.stringify(result)));
