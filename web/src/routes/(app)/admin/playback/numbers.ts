/** The number somebody wrote; what is none goes to the server as it is, so that it is refused at its field. */
export function numberOf(text: string): number {
	return /^-?\d+$/.test(text.trim()) ? Number(text) : (text.trim() as unknown as number);
}
