// What a test asks about the look of an open page.
({
  // Pairs of texts of which one covers a good part of the other.
  overlapping: () => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        // What is scrolled out of its box, or below the fold, covers nothing.
        const there = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        if (there.includes(element)) found.push({ box, element, text: node.textContent.trim() });
      }
    }
    const covered = (a, b) => {
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      return width > 0 && height > 0 ? (width * height) / Math.min(a.width * a.height, b.width * b.height) : 0;
    };
    return found.flatMap((one, index) =>
      found.slice(index + 1)
        .filter((other) => other.element !== one.element && covered(one.box, other.box) > 0.25)
        .map((other) => `${one.text} / ${other.text}`));
  },
  // How far the page can be scrolled to the side.
  tooWide: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  // Links and buttons that a user can see.
  controls: () => [...document.querySelectorAll("a[href], button")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.getClientRects().length)
    .map((one) => window.named(one)),
  // Note each element that gets the focus from now on.
  follow: () => {
    window.named = (one) => `${one.tagName} ${one.getAttribute("href") ?? ""} ${one.getAttribute("aria-label") ?? one.innerText?.trim() ?? ""}`;
    window.reached = [];
    document.addEventListener("focusin", (event) => window.reached.push(window.named(event.target)));
  },
  reached: () => window.reached,
})
