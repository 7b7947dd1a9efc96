const XMLNS = "http://www.w3.org/2000/svg";
const PNG_SCALE = 2;
const MARGIN = 12;

/** Charts below each other, and what their colours mean, in one file that needs no page around it. */
export function chartSvg(
  charts: Iterable<Element>,
  legend: readonly { label: string; colour: string }[],
): string {
  const svg = document.createElementNS(XMLNS, "svg");
  const { color, fontFamily } = getComputedStyle(document.body);
  const { backgroundColor } = getComputedStyle(document.documentElement);
  const all = [...charts];
  const width = Math.max(0, ...all.map((chart) => Number(chart.getAttribute("width"))));
  const add = (name: string, attributes: Record<string, string | number>, text = "") => {
    const node = document.createElementNS(XMLNS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    node.textContent = text;
    svg.append(node);
    return node;
  };
  const background = add("rect", { fill: backgroundColor });
  let [x, y] = [MARGIN, 16];
  for (const { label, colour } of legend) {
    // Where the page's font is not, a wider one stands for it.
    const length = Math.max(...[fontFamily, "sans-serif"].map((font) => textWidth(label, `12px ${font}`)));
    if (x > MARGIN && x + length > width) [x, y] = [MARGIN, y + 18];
    add("text", { x, y, "font-size": 12, fill: colour }, label);
    x += length + 20;
  }
  let height = y + 8;
  for (const chart of all) {
    const copy = chart.cloneNode(true) as Element;
    copy.removeAttribute("aria-hidden");
    copy.setAttribute("y", String(height));
    height += Number(chart.getAttribute("height"));
    svg.append(copy);
  }
  for (const [name, value] of Object.entries({ width, height, color, "font-family": fontFamily })) {
    svg.setAttribute(name, String(value));
  }
  background.setAttribute("width", String(width));
  background.setAttribute("height", String(height));
  return resolved(new XMLSerializer().serializeToString(svg));
}

function textWidth(text: string, font: string): number {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  if (!context) return 7 * text.length;
  context.font = font;
  return context.measureText(text).width;
}

/** The page's colours by their values: elsewhere its names mean nothing. */
function resolved(svg: string): string {
  const probe = document.createElement("span");
  document.body.append(probe);
  const values = new Map<string, string>();
  const text = svg.replace(/var\((--[\w-]+)\)/g, (_, name: string) => {
    let value = values.get(name);
    if (value === undefined) {
      probe.style.color = `var(${name})`;
      value = getComputedStyle(probe).color;
      values.set(name, value);
    }
    return value;
  });
  probe.remove();
  return text;
}

export async function svgToPng(svg: string): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width * PNG_SCALE, image.height * PNG_SCALE);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/png" });
  } finally {
    URL.revokeObjectURL(url);
  }
}
