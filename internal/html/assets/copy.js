// Copies an event's data as the page shows it.
(() => {
  "use strict";
  const button = document.getElementById("copy");
  const code = document.querySelector(".content code");
  const said = document.getElementById("copied");
  if (!button || !code || !said) return;

  // Without HTTPS a browser has no clipboard for pages, but may copy what is selected.
  function copySelected() {
    const selection = getSelection();
    selection.selectAllChildren(code);
    const copied = document.execCommand("copy");
    if (copied) selection.removeAllRanges();
    return copied;
  }

  async function copy() {
    let copied = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      copied = true;
    } catch {
      copied = copySelected();
    }
    said.textContent = "";
    // A screen reader says what changes: later, so that the same text is said again.
    setTimeout(() => { said.textContent = copied ? "Copied" : "Not copied: the data is selected, copy it by keyboard"; }, 50);
  }

  button.addEventListener("click", copy);
  button.hidden = false;
})();
