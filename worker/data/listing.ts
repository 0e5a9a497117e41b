// Lists the images and masks of a data set, by its layout. A new layout is one file and one line here.
import { listCoco } from './coco-listing.ts'
import type { DatasetSpec, Listing } from './dataset.ts'
import { listFolders } from './folders.ts'

/** The entries of the data set in `folder` (the resolved root), sorted by stem, and the problems of the listing. */
export function listEntries(spec: DatasetSpec, folder: string): Promise<Listing> {
  return spec.layout === 'COCO' ? listCoco(spec, folder) : listFolders(spec, folder)
}
