// Sets formulas: a line of JSON in, {"tex", "display"}, a line of JSON out, {"html"} or {"error"}.
const katex = require(process.argv[2]);
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const {tex, display} = JSON.parse(line);
  let answer;
  try {
    answer = {html: katex.renderToString(tex, {displayMode: display, throwOnError: true, strict: "ignore"})};
  } catch (error) {
    answer = {error: error.message};
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
