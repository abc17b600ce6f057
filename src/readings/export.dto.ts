import { ApiProperty } from '@nestjs/swagger';
import { IsIn } from 'class-validator';

import { EXPORT_FORMATS, type ExportFormat } from './export-formats.js';
import { SensorsInTime } from './series.dto.js';

export class ExportQuery extends SensorsInTime {
  /**
   * CSV for spreadsheets, line protocol for InfluxDB and for /api/v2/write.
   * @example csv
   */
  @ApiProperty({ enum: EXPORT_FORMATS })
  @IsIn(EXPORT_FORMATS)
  format: ExportFormat;
}
