"use strict";
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const made = (name, given) => Object.assign(document.createElement(name), given);
  const root = document.documentElement;

  const theme = made("button", { type: "button", className: "theme" });
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const isDark = () => (chosen === null ? system.matches : chosen);
  const named = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
  theme.onclick = () => { chosen = !isDark(); root.style.colorScheme = chosen ? "dark" : "light"; named(); };
  system.addEventListener("change", named);
  named();
  document.querySelector("header").prepend(theme);

  const tip = made("div", { id: "tip" });
  tip.setAttribute("role", "status");
  document.body.append(tip);
  const say = (words, x, y) => {
    tip.textContent = words;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, root.clientWidth - width - 4))}px`;
    tip.style.top = `${y + 20 + height > innerHeight ? y - height - 12 : y + 20}px`;
  };
  const hush = () => { tip.textContent = ""; };
  addEventListener("scroll", hush, { passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && hush());

  for (const svg of all(".chart")) {
    const groups = all("[data-tips]", svg);
    if (!groups.length) continue;
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", "0");
    svg.append(ring);
    svg.tabIndex = 0;
    const points = groups.flatMap((group) => {
      const tips = group.dataset.tips.split("\n");
      return [...group.querySelector("polyline:not(.bar)").points].map(({ x, y }, n) => ({ x, y, group, words: tips[n] }));
    });
    const shown = () => points.filter(({ group }) => !group.classList.contains("off"));
    let at = null;
    const show = (point) => {
      at = point;
      ring.setAttribute("r", "6");
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      const place = new DOMPoint(point.x, point.y).matrixTransform(svg.getScreenCTM());
      say(point.words, place.x, place.y);
    };
    const leave = () => { at = null; ring.setAttribute("r", "0"); hush(); };
    const nearest = (event) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const far = (point) => (point.x - x) ** 2 + (point.y - y) ** 2;
      const found = shown().reduce((best, point) => (!best || far(point) < far(best) ? point : best), null);
      if (found && far(found) < 900) show(found); else leave();
    };
    svg.addEventListener("pointermove", nearest);
    svg.addEventListener("pointerdown", nearest);
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const found = shown();
      if (!step || !found.length) return;
      event.preventDefault();
      const place = found.indexOf(at);
      show(found[place < 0 ? 0 : (place + step + found.length) % found.length]);
    });
  }

  for (const image of all("img[data-tip]")) {
    image.addEventListener("pointermove", (event) => say(image.dataset.tip, event.clientX, event.clientY));
    image.addEventListener("pointerdown", (event) => say(image.dataset.tip, event.clientX, event.clientY));
    image.addEventListener("pointerleave", hush);
  }

  for (const entry of all(".legend li")) {
    const button = made("button", { type: "button" });
    button.setAttribute("aria-pressed", "true");
    button.append(...entry.childNodes);
    entry.append(button);
    button.onclick = () => {
      const on = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(on));
      const mine = all("[data-name]", entry.closest("figure")).filter((g) => g.dataset.name === entry.dataset.of);
      for (const group of mine) group.classList.toggle("off", !on);
    };
  }

  const value = (cell) => {
    const words = cell.dataset.v ?? cell.textContent.trim();
    const number = parseFloat(words.replace(/,/g, "").replace(/^[~<+\s]+/, ""));
    return { words, number };
  };
  const sorted = (rows, column, up) => {
    const keys = new Map(rows.map((row) => [row, value(row.cells[column])]));
    const numeric = [...keys.values()].filter(({ number }) => !Number.isNaN(number)).length * 2 > rows.length;
    const missing = ({ words, number }) => (numeric ? Number.isNaN(number) : !words);
    const order = (one, two) => {
      const [a, b] = [keys.get(one), keys.get(two)];
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return (up ? 1 : -1) * (numeric ? a.number - b.number : a.words.localeCompare(b.words, "en", { numeric: true }));
    };
    return rows.sort(order);
  };
  for (const table of all("table.data")) {
    const [body] = table.tBodies, first = [...body.rows];
    if (first.length < 2) continue;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = made("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.onclick = () => {
        const now = head.getAttribute("aria-sort");
        for (const other of heads) other.removeAttribute("aria-sort");
        if (now === "descending") { body.append(...first); return; }
        head.setAttribute("aria-sort", now ? "descending" : "ascending");
        body.append(...sorted([...body.rows], column, !now));
      };
    });
    if (first.length < 8) continue;
    const find = made("input", { type: "search", className: "find", placeholder: `Filter ${first.length} rows` });
    find.setAttribute("aria-label", `Filter: ${table.caption?.textContent ?? "rows"}`);
    find.oninput = () => {
      const words = find.value.toLowerCase().split(/\s+/);
      for (const row of first) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    };
    table.closest(".wide").before(find);
  }
})();
