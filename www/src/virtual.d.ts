/// <reference types="vite/client" />

declare module "virtual:poster" {
  /** Address of the default picture, made by scripts/poster.ts when the page is built. */
  const url: string;
  export default url;
}
