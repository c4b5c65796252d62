// Sort the table by the column whose head is clicked: up, then down. Numbers inside texts count as numbers.
const head = document.querySelector("table.sortable thead"), body = head.nextElementSibling;
const parts = (text) => text.trim().split(/((?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?)/);
const compare = (a, b) => {
  if (!a || !b) return !a - !b;
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = i % 2 ? left[i] - right[i] : left[i].localeCompare(right[i]);
    if (order) return order;
  }
  return left.length - right.length;
};
head.addEventListener("click", (event) => {
  const cell = event.target.closest("th");
  if (!cell) return;
  const up = cell.getAttribute("aria-sort") !== "ascending";
  for (const other of head.querySelectorAll("th")) other.removeAttribute("aria-sort");
  cell.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[cell.cellIndex].dataset.key ?? row.cells[cell.cellIndex].textContent.trim();
  const rows = [...body.rows].map((row) => [key(row), row]);
  // What has no value stays at the end in both directions.
  rows.sort(([a], [b]) => (a && b && !up ? compare(b, a) : compare(a, b)));
  body.append(...rows.map(([, row]) => row));
});
