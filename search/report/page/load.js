// Decompresses plotly.js and the data, and then runs the page's scripts. The text of the page is on the screen before.
"use strict";
(async () => {
  const place = id => document.getElementById(id);

  async function decompress(text) {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function run(text) {
    const script = document.createElement("script");
    script.textContent = text;
    document.body.append(script);
  }

  if (!window.DecompressionStream) {
    document.querySelector("main").prepend("The charts need a browser of 2023 or later.");
    return;
  }
  const [plotly, data] = await Promise.all(["plotly", "data"].map(id => decompress(place(id).textContent)));
  place("data").textContent = data;
  run(plotly);
  run(place("script").textContent);
})();
