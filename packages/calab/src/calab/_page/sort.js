"use strict";
// Without scripts the table is read in the order in which it was written.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent;
      const order = (a, b) => {
        // What is not known stands last, whichever way.
        if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1);
        const x = parseFloat(a), y = parseFloat(b);
        const sign = isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
        return up ? sign : -sign;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => order(text(a), text(b))));
    });
  });
}
